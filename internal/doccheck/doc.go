// Package doccheck keeps the Markdown of this repository true, and the walls
// between its packages. It holds tests alone:
//
//   - Go code compiles, and what ends in "// Output:" prints that.
//   - Sessions (code blocks marked console) are run and their output compared;
//     a line of … stands for any number of lines.
//   - Commands name programs, tasks, flags, packages and tests that exist.
//   - Links between files lead somewhere, to a heading where they name one.
//   - README.ja.md and each guide in docs/ja have the headings, code, tables and
//     links of their original, and somebody has looked at them since it changed.
//   - The READMEs are short, and quote what the counter prints.
//   - The table of dependencies is that of go.mod.
//   - Packages import what their room may: see the table in imports_test.go.
//   - Workflows pin what they use, and ask for no rights that they do not need.
//
// # Snippets
//
// A Go block that begins with "package" is a program. Any other belongs to one
// package with the others of its file: declarations as they stand, statements
// within a function of their own. The imports are added where a snippet has
// none.
package doccheck
