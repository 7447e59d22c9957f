package doccheck

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rooms says what each package may import beside the standard library and
// internal/secret. "name/..." is name and everything under it; a package of
// another module stands for everything under it. The first line that fits a
// package is its own. docs/architecture.md says why.
//
// The rule behind it: a package that says what a thing is imports neither card
// nor database; the package that keeps it does.
var rooms = []struct{ pkg, imports string }{
	{"apdu", "apdu/tlv"},
	{"apdu/tlv", ""},
	{"apdu/pcsc", "apdu github.com/ebfe/scard golang.org/x/sys"},
	{"apdu/vpcd", "apdu"},
	{"jpki/...", "jpki/... apdu apdu/tlv golang.org/x/crypto github.com/smallstep/pkcs7"},
	{"simcard/...", "simcard/... apdu apdu/tlv golang.org/x/crypto"},
	{"mykey", ""},
	{"mykey/terminal", "mykey"},
	{"mykey/payment", "mykey golang.org/x/text"},
	{"mykey/registry", "mykey mykey/payment mykey/terminal jpki apdu internal/sqldb internal/table golang.org/x/crypto"},
	{"mykey/point", "mykey internal/sqldb internal/table internal/cp932 golang.org/x/text"},
	{"mykey/grant", "mykey mykey/point jpki internal/sqldb golang.org/x/text golang.org/x/crypto"},
	{"mykey/advice", "apdu apdu/tlv jpki/... mykey/... ticket/... mergefile/..."},
	{"ticket", "mykey mykey/terminal internal/sqldb internal/table golang.org/x/text"},
	{"ticket/paper", "ticket mykey golang.org/x/text github.com/boombuler/barcode"},
	{"mergefile", "mykey internal/cp932 internal/md5pair golang.org/x/text"},
	{"mergefile/ledger", "mergefile mykey internal/sqldb internal/mark"},
	{"mergefile/inbox", "mergefile mergefile/ledger github.com/fsnotify/fsnotify golang.org/x/sys"},
	{"mergefile/outbox", "mergefile mykey internal/sqldb internal/mark"},
	{"mergefile/testkit/...", "mergefile mykey golang.org/x/text"},
	{"internal/secret", ""},
	{"internal/sqldb", ""},
	{"internal/table", "internal/cp932 golang.org/x/text"},
	{"internal/mark", "internal/sqldb"},
}

// fits reports whether a package is what a word of rooms says.
func fits(word, pkg string) bool {
	under, all := strings.CutSuffix(word, "/...")
	return pkg == under || strings.HasPrefix(pkg, under+"/") && (all || strings.Contains(strings.Split(word, "/")[0], "."))
}

// room is what the go command says of a package of this module.
type room struct {
	pkg           string   // without the module's path
	imports, deps []string // those of this module without its path
}

func allRooms(t *testing.T) (all []room) {
	t.Helper()
	short := func(list string) (out []string) {
		for _, p := range strings.Fields(list) {
			out = append(out, strings.TrimPrefix(p, own))
		}
		return out
	}
	for line := range strings.Lines(string(goList(t, "list", "-tags", "libpcsclite", "-f", `{{.ImportPath}}|{{join .Imports " "}}|{{join .Deps " "}}`, "./..."))) {
		f := strings.Split(line, "|")
		require.Len(t, f, 3)
		all = append(all, room{strings.TrimPrefix(f[0], own), short(f[1]), short(f[2])})
	}
	require.Greater(t, len(all), 20)
	return all
}

// library reports whether a package is one that other modules import.
func (r room) library() bool {
	return !strings.HasPrefix(r.pkg, "examples/") && !strings.HasPrefix(r.pkg, "internal/")
}

// standard reports whether a package is of the standard library.
func standard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return !strings.Contains(first, ".") && !slices.ContainsFunc(rooms, func(r struct{ pkg, imports string }) bool {
		return strings.Split(r.pkg, "/")[0] == first
	}) && first != "examples"
}

func TestWallsOfRooms(t *testing.T) {
	for _, r := range allRooms(t) {
		i := slices.IndexFunc(rooms, func(line struct{ pkg, imports string }) bool { return fits(line.pkg, r.pkg) })
		if i < 0 {
			// Programs and what proves things may import everything.
			assert.False(t, r.library(), "%s has no line in the table of rooms", r.pkg)
			continue
		}
		may := append(strings.Fields(rooms[i].imports), "internal/secret")
		for _, used := range r.imports {
			assert.True(t, standard(used) || slices.ContainsFunc(may, func(word string) bool { return fits(word, used) }), "%s may not import %s", r.pkg, used)
		}
	}
}

// The walls are about all that a package links, not only what it imports.
func TestWalls(t *testing.T) {
	for _, r := range allRooms(t) {
		wall := func(why string, words ...string) {
			for _, used := range r.deps {
				assert.False(t, slices.ContainsFunc(words, func(w string) bool { return fits(w, used) }), "%s links %s: %s", r.pkg, used, why)
			}
		}
		switch {
		case fits("simcard/...", r.pkg):
			wall("a wrong byte must not cancel out", "jpki/...")
		case fits("jpki/...", r.pkg):
			wall("a wrong byte must not cancel out", "simcard/...")
		case r.pkg == "mykey" || r.pkg == "mergefile":
			wall("a value imports neither card nor database", "jpki/...", "apdu/...", "database/sql")
		}
		if r.library() {
			wall("the program chooses its driver", "modernc.org/sqlite", "github.com/jackc/pgx")
			wall("nothing imports examples", "examples/...")
			if r.pkg != "apdu/pcsc" {
				wall("readers are apdu/pcsc's", "github.com/ebfe/scard")
			}
		}
		if r.pkg == "examples/shop" {
			for _, used := range r.imports {
				assert.False(t, strings.HasPrefix(used, "internal/"), "%s imports %s: it is for copying", r.pkg, used)
			}
		}
	}
}
