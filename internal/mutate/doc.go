// Command mutate breaks the code on purpose, one condition at a time, and runs
// the tests: each break has to make one fail. Where none does, a guard could be
// taken away and nobody would notice.
//
//	go run ./internal/mutate            # every group of plan.txt
//	go run ./internal/mutate pin hash   # some groups
//	go run ./internal/mutate -list pin  # what would be broken
//
// It ends with status 1 where a mutant survives that equivalent.txt does not
// name.
//
// # What is broken
//
// In the files and functions that plan.txt lists:
//
//   - every condition, and each part of one joined by && or ||, is taken for
//     true and for false; so is each case of a switch, and each comparison
//     wherever it stands;
//   - every <, <=, > and >= has its boundary moved;
//   - every assignment to something that outlives the function (a field, an
//     element), every ++ and op=, and every call whose result is not used is
//     left out;
//   - every comparison inside SQL text is turned into another.
//
// # How
//
// All mutants of a package are compiled into one test binary, each behind a
// number in an environment variable, by way of go build's overlay: the tree is
// not touched. Each test is run once by itself to see which mutants would make
// a difference to it; then each mutant is run against those tests alone, the
// quick ones first. A condition that no test sees both true and false survives
// without being run.
//
// # Equivalents
//
// A mutant that changes nothing anybody could see is no gap. equivalent.txt
// names them, each with the reason. One that is named there and does not exist
// is an error, so that the list stays true; with -all the named ones are run
// too, and one that is killed is an error as well.
package main
