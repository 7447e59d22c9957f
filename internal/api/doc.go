// Command api lists the exported API of the library packages, one declaration a
// line, in docs/api: a file for each package, as Go's own repository keeps it in
// its folder api.
//
//	go run ./internal/api            # fails, and prints the difference, if the list is not that of the code
//	go run ./internal/api -update    # writes the list
//
// Packages under examples and internal have no API. The list is that of Linux on
// amd64 without cgo and tags, so it is the same wherever the command runs. A line
// that goes away or changes is an incompatible change; a line that is added to an
// interface or to the methods of one is too.
package main
