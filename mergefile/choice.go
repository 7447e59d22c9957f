package mergefile

import (
	"fmt"
	"slices"
	"strings"
)

// A table holds the choices of one axis of a profile, the likeliest first,
// which is the order in which the prober tries them. A row says what its stage
// does for the choice. A new choice is a new row and a vector.
type table[K ~string, R any] []choice[K, R]

type choice[K ~string, R any] struct {
	name K
	row  R
}

// row returns the row of a choice, and the zero row for a name that is none.
func (t table[K, R]) row(name K) (row R) {
	for i := range t {
		if t[i].name == name {
			return t[i].row
		}
	}
	return row
}

func (t table[K, R]) names() []K {
	names := make([]K, len(t))
	for i := range t {
		names[i] = t[i].name
	}
	return names
}

// validation collects faults of a profile.
type validation struct{ faults []error }

func (v *validation) add(axis, reason string) {
	v.faults = append(v.faults, &ProfileError{Axis: axis, Reason: reason})
}

func (v *validation) when(bad bool, axis, reason string) {
	if bad {
		v.add(axis, reason)
	}
}

// check finds a value that is none of the choices of its axis.
func check[K ~string](v *validation, axis string, got K, choices ...K) {
	if slices.Contains(choices, got) {
		return
	}
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = fmt.Sprintf("%q", string(c))
	}
	v.add(axis, fmt.Sprintf("%s is none of %s", brief(string(got)), strings.Join(names, ", ")))
}

// brief quotes a text for an error, and no more of it than a person reads.
func brief(s string) string {
	const most = 40
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q and %d bytes more", s[:most], len(s)-most)
}
