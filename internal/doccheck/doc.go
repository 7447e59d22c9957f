// Package doccheck keeps the Markdown of this repository true: the Go code in
// it compiles, and the links between files lead somewhere. It holds tests
// alone.
package doccheck
