package doccheck

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// elsewhere are commands of other people's packages that the documents name.
// What they do on a software card is tested in internal/realstack.
var elsewhere = []string{"apt-get", "pcscd", "systemctl", "cd", "git", "go", "unshare", "export",
	"opensc-tool", "pkcs15-tool", "pkcs11-tool", "openssl", "ssh-keygen", "python3", "base64", "head", "printf",
	"curl", "docker"}

// The README keeps the two commands that a stranger types first.
func TestTwoCommands(t *testing.T) {
	for _, readme := range []string{"README.md", "README.ja.md"} {
		head, _, _ := strings.Cut(readDocument(t, readme).text, "\n## ")
		assert.Contains(t, head, "\ngo run ./examples/counter\n")
		assert.Contains(t, head, "\ngo test ./...\n")
	}
}

// The READMEs are short enough to be read, and what they quote of the counter's day
// is what it prints: see examples/counter.
func TestReadmeIsShort(t *testing.T) {
	assert.LessOrEqual(t, len(readDocument(t, "README.md").text), 6_000)
	assert.LessOrEqual(t, len(readDocument(t, "README.ja.md").text), 7_500)
	quoted := map[string][]int{} // the same lines in both
	for language, readme := range map[string]string{"en": "README.md", "ja": "README.ja.md"} {
		day := strings.Split(readFile(t, "examples/counter/testdata/first."+language+".txt"), "\n")
		blocks := readDocument(t, readme).in("day")
		require.Len(t, blocks, 1)
		for line := range strings.Lines(blocks[0].text) {
			at := slices.Index(day, strings.TrimSuffix(line, "\n"))
			assert.GreaterOrEqual(t, at, 0, "the counter does not print %q", line)
			quoted[language] = append(quoted[language], at)
		}
	}
	assert.Len(t, quoted["en"], 10, "ten lines")
	assert.True(t, slices.IsSorted(quoted["en"]))
	assert.Equal(t, quoted["en"], quoted["ja"])
}

// The programs that the documents run are built once for all of these.
func TestPrograms(t *testing.T) {
	t.Parallel()
	p := programs{dir: t.TempDir(), help: map[string]string{}}
	t.Run("commands", p.commandsExist)
	t.Run("sessions", p.sessions)
	t.Run("any language", p.anyLanguage)
	t.Run("versions", p.versions)
	t.Run("counter", p.counterGuide)
}

// counterGuide finds that the guide to the counter lists its flags, all of them, and
// its screens by their keys and names.
func (p programs) counterGuide(t *testing.T) {
	guide := readDocument(t, "docs/counter.md")
	var flags, listed []string
	for _, m := range regexp.MustCompile(`(?m)^  (-\w+)`).FindAllStringSubmatch(p.usage(t, filepath.Join(root, "examples", "counter"), nil), -1) {
		flags = append(flags, m[1])
	}
	for _, row := range table(t, guide, "Flags") {
		listed = append(listed, strings.Trim(row[0], "`"))
	}
	assert.Equal(t, flags, listed)

	var screens []string
	for _, m := range regexp.MustCompile(`Key: "(\w)", JA: "([^"]+)", EN: "([^"]+)"`).FindAllStringSubmatch(readFile(t, "examples/counter/page/screens.go"), -1) {
		screens = append(screens, m[1]+" "+m[2]+", "+m[3])
	}
	for i, row := range table(t, guide, "The menu") {
		require.Less(t, i, len(screens))
		assert.Equal(t, screens[i], row[0]+" "+row[1])
	}
	for i, row := range table(t, readDocument(t, "docs/ja/counter.md"), "メニュー") {
		assert.True(t, strings.HasPrefix(screens[i], row[0]+" "+row[1]+", "), "%s %s", row[0], row[1])
	}
	assert.Len(t, table(t, guide, "The menu"), len(screens))
}

// versions asks each program for its version, and finds that those which a release
// has are programs.
func (p programs) versions(t *testing.T) {
	var names []string
	for _, d := range readDirectory(t, "examples") {
		source := filepath.Join(root, "examples", d)
		_, program := os.Stat(filepath.Join(source, "main.go"))
		_, module := os.Stat(filepath.Join(source, "go.mod"))
		if program != nil || module == nil {
			continue
		}
		names = append(names, d)
		out, err := exec.CommandContext(t.Context(), p.build(t, source), "-version").Output()
		assert.NoError(t, err, d)
		assert.Regexp(t, `^`+d+` (v[0-9]\S*|\(devel\)) go\S+ \S+/\S+\r?\n$`, string(out))
	}
	released := regexp.MustCompile(`(?m)^programs="(.*)"$`).FindStringSubmatch(readFile(t, ".ci/release"))
	require.NotNil(t, released, ".ci/release lists its programs")
	assert.Subset(t, names, strings.Fields(released[1]))
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	require.NoError(t, err)
	return string(text)
}

func readDirectory(t *testing.T, name string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, name))
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// commandsExist finds every command of the documents.
func (p programs) commandsExist(t *testing.T) {
	found := 0
	for _, d := range documents(t) {
		for _, whole := range d.commands() {
			dir := root
			for command := range strings.SplitSeq(whole, " && ") {
				words := strings.Fields(command)
				for len(words) > 0 && regexp.MustCompile(`^[A-Z_0-9]+=`).MatchString(words[0]) {
					words = words[1:]
				}
				require.NotEmpty(t, words, "%s: %s", d.name, whole)
				found++
				switch {
				case words[0] == "cd":
					require.Len(t, words, 2)
					dir = filepath.Join(dir, words[1])
					assert.DirExists(t, dir, "%s: %s", d.name, whole)
				case len(words) > 2 && words[0] == "go" && words[1] == "run":
					args := words[2:]
					if args[0] == "-tags" {
						require.Greater(t, len(args), 2, "%s: %s: no program", d.name, whole)
						args = args[2:] // and the program is looked at without them
					}
					p.check(t, d.name+": "+whole, filepath.Join(dir, args[0]), args[1:])
				case words[0] == "vcard":
					p.check(t, d.name+": "+whole, filepath.Join(dir, "examples", "vcard"), words[1:])
				case len(words) > 1 && words[0] == "go" && words[1] == "test":
					checkTest(t, d.name+": "+whole, dir, words[2:])
				case strings.HasPrefix(words[0], ".ci/"):
					assert.FileExists(t, filepath.Join(dir, words[0]), "%s: %s", d.name, whole)
				default:
					assert.Contains(t, elsewhere, words[0], "%s: %s: no such command", d.name, whole)
				}
			}
		}
	}
	assert.Greater(t, found, 10)
}

// programs keeps the programs of this repository, and what they say of their
// flags.
type programs struct {
	dir  string
	help map[string]string
}

// check finds that a program has the task and the flags that it is called with.
func (p programs) check(t *testing.T, where, source string, args []string) {
	t.Helper()
	if !assert.DirExists(t, source, where) {
		return
	}
	task := []string{}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		task, args = args[:1], args[1:]
	}
	for i, a := range args {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if a == name || name == "" || (i > 0 && args[i-1] == "--") {
			continue // a value
		}
		if strings.Contains(filepath.ToSlash(source), "internal/bench/") {
			continue // other people's libraries, and minutes to build
		}
		assert.Regexp(t, `(?m)^\s+-`+regexp.QuoteMeta(name)+`\b`, p.usage(t, source, task), "%s: no flag -%s", where, name)
	}
	if len(args) == 0 && len(task) > 0 {
		p.usage(t, source, task)
	}
}

// usage gives what a task prints for -help; a task that there is not is a
// failure, for then the program prints its list of tasks.
func (p programs) usage(t *testing.T, source string, task []string) string {
	t.Helper()
	key := source + strings.Join(task, " ")
	if _, ok := p.help[key]; !ok {
		out, err := exec.CommandContext(t.Context(), p.build(t, source), append(task, "-help")...).CombinedOutput()
		if len(task) > 0 || !strings.Contains(strings.ToLower(string(out)), "usage") {
			assert.NoError(t, err, "%s %v -help: %s", source, task, out)
		}
		p.help[key] = string(out)
	}
	return p.help[key]
}

// build gives the binary of a program.
func (p programs) build(t *testing.T, source string) string {
	t.Helper()
	binary := filepath.Join(p.dir, filepath.Base(source))
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if _, err := os.Stat(binary); err != nil {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", binary, ".")
		cmd.Dir = source
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", source, out)
	}
	return binary
}

// checkTest finds that the packages of a go test command exist, and that its
// patterns choose something in them.
func checkTest(t *testing.T, where, dir string, args []string) {
	t.Helper()
	var packages []string
	patterns := map[string]string{}
	for i, a := range args {
		switch {
		case strings.HasPrefix(a, "."):
			packages = append(packages, a)
		case i > 0 && slices.Contains([]string{"-run", "-bench", "-fuzz"}, args[i-1]):
			patterns[strings.TrimPrefix(args[i-1], "-")] = strings.Trim(a, `'"`)
		}
	}
	require.NotEmpty(t, packages, where)
	for _, p := range packages {
		p, recursive := strings.CutSuffix(p, "/...")
		folder := filepath.Join(dir, p)
		if !assert.DirExists(t, folder, where) || recursive {
			continue
		}
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		require.NoError(t, err)
		var names []string
		for _, f := range files {
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz|Example)\w*)\(`).FindAllStringSubmatch(string(text), -1) {
				names = append(names, m[1])
			}
		}
		for flag, pattern := range patterns {
			if pattern == "^$" || pattern == "." {
				continue
			}
			pattern, _, _ = strings.Cut(pattern, "/")
			prefix := map[string]string{"run": "Test|Example|Fuzz", "bench": "Benchmark", "fuzz": "Fuzz"}[flag]
			chosen := slices.ContainsFunc(names, func(n string) bool {
				return regexp.MustCompile("^("+prefix+")").MatchString(n) && regexp.MustCompile(pattern).MatchString(n)
			})
			assert.True(t, chosen, "%s: -%s %s chooses nothing in %s", where, flag, pattern, p)
		}
	}
}
