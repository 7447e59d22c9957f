package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mynakit/mynakit/internal/dbtest"
	"github.com/mynakit/mynakit/jpki"
)

var update = flag.Bool("update", false, "write what the day says into testdata")

func none(string) string { return "" }

// The whole day in both languages. To see what it says, look into testdata; to
// change it, run the test with -update.
func TestDay(t *testing.T) {
	before := goleak.IgnoreCurrent()
	defer func() { assert.NoError(t, dbtest.Leaks(before)) }()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp) // on Windows
	for _, lang := range []string{"en", "ja"} {
		var out, errs bytes.Buffer
		code := run(t.Context(), []string{"-lang", lang}, none, &out, &errs)
		require.Zero(t, code, "%s%s", &out, &errs)
		assert.Empty(t, errs.String())
		got := out.String()
		golden := filepath.Join("testdata", "day."+lang+".txt")
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		if diff := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", golden, diff)
		}
		for n := range invited {
			p, err := invite(n)
			require.NoError(t, err)
			h := p.card.Holder()
			serial, err := jpki.SerialOf(p.card.AuthCertificate())
			require.NoError(t, err)
			for _, secret := range []string{p.id.String(), h.Name, h.Address, serial.Hex(), h.MyNumber.Digits()} {
				assert.NotContains(t, got, secret)
			}
		}
	}
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	assert.Empty(t, left, "the folder is gone")
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestRun(t *testing.T) {
	var errs bytes.Buffer
	assert.Equal(t, exitOK, run(t.Context(), []string{"-h"}, none, &errs, &errs))
	assert.Equal(t, exitUsage, run(t.Context(), []string{"-lang", "fr"}, none, &errs, &errs))
	assert.Equal(t, exitUsage, run(t.Context(), []string{"day"}, none, &errs, &errs))
	assert.Equal(t, exitUsage, run(t.Context(), []string{"-x"}, none, &errs, &errs))
	errs.Reset()
	assert.Equal(t, exitError, run(t.Context(), []string{"-lang", "ja"}, none, full{}, &errs))
	assert.Contains(t, errs.String(), "no space left")
}

// Both languages say everything, with the same things in the same order.
func TestBothLanguagesAreComplete(t *testing.T) {
	en, ja := reflect.ValueOf(inEnglish()), reflect.ValueOf(inJapanese())
	verb := regexp.MustCompile(`%[-0-9.]*[a-z]`)
	for i := range en.NumField() {
		name, inEN, inJA := en.Type().Field(i).Name, en.Field(i).String(), ja.Field(i).String()
		assert.NotEmpty(t, inEN, name)
		assert.False(t, strings.ContainsFunc(inEN, func(r rune) bool { return r > unicode.MaxASCII }), "%s: %s", name, inEN)
		assert.True(t, strings.ContainsFunc(inJA, func(r rune) bool {
			return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han)
		}), "%s: %q", name, inJA)
		assert.Equal(t, verb.FindAllString(inEN, -1), verb.FindAllString(inJA, -1), name)
	}
}
