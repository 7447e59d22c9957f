// Command generate writes the test vectors of package testkit.
//
//	go run ./mergefile/testkit/generate mergefile/testkit/vectors
//
// It spells, hashes, pads and encrypts with the standard library alone, so that
// a mistake in package mergefile does not make its own vectors. Of that package
// it uses the profiles, which are data, and nothing that reads or writes files.
// Its random bytes come from a fixed seed: it always writes the same.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate DIRECTORY")
		os.Exit(2)
	}
	for name, data := range vectors() {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), data, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
