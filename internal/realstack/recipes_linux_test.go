package realstack

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// java is where Debian's packages put the classes of JUnit, and what they need.
const java = "/usr/share/java/"

// recipes are the tests in other languages that examples/vcard/recipes shows,
// each as a script that runs in its folder.
var recipes = map[string]struct {
	needs  []string // programs and files
	check  string   // a script that fails if something else is missing
	script string
	passed string // what stands in the output if all tests ran
}{
	"python": {
		needs:  []string{"/usr/bin/python3", "openssl"},
		check:  "/usr/bin/python3 -c 'import smartcard, pytest'",
		script: "PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -p no:cacheprovider -q -s .",
		passed: "11 passed",
	},
	"java": {
		needs: []string{"java", "javac", java + "junit-jupiter.jar", java + "junit-platform-console.jar"},
		script: `lib=/usr/share/java
javac -d "$OUT" -cp $lib/junit-jupiter-api.jar:$lib/apiguardian-api.jar *.java
java -Dsun.security.smartcardio.library="$(echo /usr/lib/*/libpcsclite.so.1)" \
  -cp "$OUT:$(echo $lib/junit-*.jar $lib/opentest4j*.jar $lib/apiguardian-api.jar $lib/picocli.jar | tr ' ' :)" \
  org.junit.platform.console.ConsoleLauncher --disable-banner --disable-ansi-colors --scan-class-path "$OUT"`,
		passed: "7 tests successful",
	},
	"node": {
		needs:  []string{"node", "openssl"},
		script: "node --test --test-reporter tap",
		passed: "# pass 7",
	},
}

// The recipes for other languages pass, all at the same time: each vcard finds a
// slot that no other has, or waits for one.
func TestRecipes(t *testing.T) {
	needStack(t)
	vcard := buildVCard(t)
	dir := t.TempDir()
	for language, r := range recipes {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			for _, name := range r.needs {
				_, err := exec.LookPath(name)
				if strings.HasPrefix(name, java) {
					_, err = os.Stat(name)
				}
				absent(t, err, "apt-get install python3-pyscard python3-pytest openssl junit5 default-jdk-headless nodejs")
			}
			absent(t, exec.Command("sh", "-c", r.check).Run(), "apt-get install python3-pyscard python3-pytest")
			ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", "-euc", r.script)
			cmd.Dir = filepath.Join("../../examples/vcard/recipes", language)
			cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "VCARD="+vcard, "OUT="+t.TempDir(), "TMPDIR="+dir)
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s", out)
			assert.Contains(t, string(out), r.passed)
			for line := range strings.Lines(string(out)) {
				if strings.Contains(line, "changed, tapped") {
					t.Log(strings.TrimSpace(line))
				}
			}
		})
	}
}

// absent skips a test because of what is missing, or fails it where that has to
// be there.
func absent(t *testing.T, err error, install string) {
	t.Helper()
	switch {
	case err == nil:
	case strings.Contains(os.Getenv("MYNAKIT_REQUIRE"), "pcsc"):
		t.Fatalf("%v: %s", err, install)
	default:
		t.Skipf("%v: %s", err, install)
	}
}

// buildVCard builds the program as a stranger does.
func buildVCard(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "vcard")
	output(t, "go", "build", "-o", program, "../../examples/vcard")
	return program
}
