// Command sbom writes the bill of materials of this module: what is linked into
// its packages and programs, with versions, checksums and licences, as CycloneDX
// 1.5 in JSON.
//
//	go run ./internal/sbom > sbom.json               # ./..., without tests
//	go run ./internal/sbom -tags libpcsclite ./examples/... # what these link
//	go run ./internal/sbom -notices ./examples/... # their licences, as text
//
// # What is in it
//
// Modules that are really linked, as `go list -deps` finds them for this
// system, and not all that go.mod names: most of those serve tests. Each has
//
//   - its version, and its purl, which is also its reference;
//   - its licences by SPDX identifier, read from the files in the module cache;
//   - its checksum as in go.sum, as the property "go:sum";
//   - the programs into which it is linked, as properties "go:program"; and the
//     property "go:library" where a package that others import links it.
//
// The Go standard library is a component too, under the version of the
// toolchain. What depends on what is told by module.
//
// A licence that is not recognised is an error, and so is a module without one:
// somebody has to look. The output has no date and no random number in it: the
// same sources give the same bytes.
package main
