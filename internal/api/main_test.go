package main

import (
	"bytes"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const source = `package p

import "io"

const (
	Size       = 8
	Red  Color = "red"
	hidden     = 1
)

var Limit, limit int

type Color string

func (Color) String() string { return "" }
func (c *Color) Set(text string) error { return nil }
func (Color) less() bool { return false }

type Box[T any] struct {
	io.Reader
	Name  string
	Next  *Box[T]
	inner T
}

type Sink interface {
	Put(name string, values ...int) error
	private()
}

type Name = string
type other struct{ Field int }

func Map[T, U any](list []T, f func(T) U) []U { return nil }
func Open(path string) (box *Box[int], err error) { return nil, nil }
func open() {}
`

func TestDeclarations(t *testing.T) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, "p.go", source, 0)
	require.NoError(t, err)
	c := types.Config{Importer: importer.ForCompiler(files, "source", nil)}
	p, err := c.Check("example.test/m/p", files, []*ast.File{parsed}, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{
		`const Red Color = "red"`,
		"const Size = 8",
		"func Map[T any, U any]([]T, func(T) U) []U",
		"func Open(string) (*Box[int], error)",
		"method (*Color) Set(string) error",
		"method (Box) Read([]byte) (int, error)",
		"method (Color) String() string",
		"type Box[T any] struct",
		"type Box[T any] struct, Name string",
		"type Box[T any] struct, Next *Box[T]",
		"type Box[T any] struct, embedded io.Reader",
		"type Color string",
		"type Name = string",
		"type Sink interface",
		"type Sink interface, Put(string, ...int) error",
		"type Sink interface, unexported methods",
		"var Limit int",
	}, declarations(p, "example.test/m"))
}

func TestReport(t *testing.T) {
	before := map[string][]string{"a.txt": {"func A()", "func B()"}, "gone.txt": {"var X int"}, "same.txt": {"var Y int"}}
	now := map[string][]string{"a.txt": {"func A()", "func C()"}, "new.txt": {"var Z int"}, "same.txt": {"var Y int"}}
	var out bytes.Buffer
	assert.False(t, report(&out, before, now))
	assert.Equal(t, "a.txt\n  - func B()\n  + func C()\ngone.txt\n  - var X int\nnew.txt\n  + var Z int\n", out.String())
	out.Reset()
	assert.True(t, report(&out, now, now))
	assert.Empty(t, out.String())
}

func TestWriteAndRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "api")
	none, err := read(dir)
	require.NoError(t, err)
	assert.Empty(t, none)
	first := map[string][]string{"a.txt": {"func A()"}, filepath.Join("b", "c.txt"): {"var X int", "var Y int"}}
	require.NoError(t, write(dir, none, first))
	got, err := read(dir)
	require.NoError(t, err)
	assert.Equal(t, first, got)
	second := map[string][]string{"a.txt": {"func B()"}}
	require.NoError(t, write(dir, got, second))
	got, err = read(dir)
	require.NoError(t, err)
	assert.Equal(t, second, got, "a package that is gone has no list")
}
