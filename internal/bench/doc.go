// Package bench measures mynakit against what a program would otherwise do, or
// otherwise use, side by side in one run. It is a module of its own, so that
// what it compares with is no dependency of the library.
//
//	cd internal/bench && go test -bench . -benchtime 5x
//
// An absolute time does not carry over to another machine; a ratio between two
// lines of one run does, more or less. The tests beside the benchmarks hold
// the ratios that the library promises. They take minutes and a quiet machine,
// and run where MYNAKIT_LONG=1 is set.
package bench
