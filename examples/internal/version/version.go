// Package version is what the programs answer to -version.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Line returns one line: the program, the version of this module that it was
// built from, the Go release, and the system. A program that was not built from a
// tag has a pseudo-version, with +dirty if its sources were changed, or (devel) if
// the go command did not know.
func Line(program string) string {
	built := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		built = info.Main.Version
	}
	return fmt.Sprintf("%s %s %s %s/%s", program, built, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// Asked reports whether the arguments of a program with tasks ask for its version.
func Asked(args []string) bool {
	return len(args) == 1 && (args[0] == "-version" || args[0] == "--version" || args[0] == "version")
}
