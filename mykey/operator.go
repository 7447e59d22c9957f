package mykey

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrUnknownOperator means that an operator ID or name is not in the table.
var ErrUnknownOperator = errors.New("mykey: operator not in the table")

// OperatorTable holds the names of the ID-issuing operators, from which a
// terminal's manager chooses (システム設計書 I.3④, I.4⑤) and with which a holder sees
// the registered Service IDs (IV(6)). The program brings the list of the day
// ([ReadOperators]).
type OperatorTable map[OperatorID]string

// Name returns the name of an operator. The error wraps [ErrUnknownOperator].
func (t OperatorTable) Name(o OperatorID) (string, error) {
	if name, ok := t[o]; ok {
		return name, nil
	}
	return "", fmt.Errorf("%w: %s", ErrUnknownOperator, o)
}

// Named returns the operator of a name, which must be the whole name. It returns
// [ErrUnknownOperator] if there is none or two.
func (t OperatorTable) Named(name string) (OperatorID, error) {
	var found OperatorID
	for o, n := range t {
		if n == name {
			if !found.IsZero() {
				return OperatorID{}, ErrUnknownOperator
			}
			found = o
		}
	}
	if found.IsZero() {
		return OperatorID{}, ErrUnknownOperator
	}
	return found, nil
}

// All yields the operators and their names in the order of the numbers, as for a
// pull-down menu.
func (t OperatorTable) All() iter.Seq2[OperatorID, string] {
	ids := slices.SortedFunc(maps.Keys(t), func(a, b OperatorID) int { return strings.Compare(a.String(), b.String()) })
	return func(yield func(OperatorID, string) bool) {
		for _, o := range ids {
			if !yield(o, t[o]) {
				return
			}
		}
	}
}

// maxOperators bounds the records that ReadOperators reads. There is no published
// number.
const maxOperators = 100_000

// ReadOperators reads a table from CSV in UTF-8, with or without a byte order
// mark: the six-digit number, then the name. Further columns are not looked at. A
// first line whose number is not digits is a heading. A line with a wrong number,
// without a name, with a name that holds control characters, or with another name
// for a number already read is an error that names the line. Two operators of one
// name are an error, and so are more than 100,000 lines.
func ReadOperators(r io.Reader) (OperatorTable, error) {
	t, err := readTable(r, "operators", "operator name", maxOperators, ParseOperatorID, func(_ OperatorID, columns []string) string {
		if len(columns) == 0 || !utf8.ValidString(columns[0]) || strings.ContainsFunc(columns[0], isControl) {
			return ""
		}
		return strings.TrimSpace(columns[0])
	})
	if err != nil {
		return nil, err
	}
	number := map[string]OperatorID{}
	for o, name := range t {
		if had, ok := number[name]; ok {
			return nil, fmt.Errorf("mykey: operators: %s and %s have one name", min(had.String(), o.String()), max(had.String(), o.String()))
		}
		number[name] = o
	}
	return t, nil
}
