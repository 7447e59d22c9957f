package mykey

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
)

// maxTableBytes bounds a table where a quote is left open, say.
const maxTableBytes = 4 << 20

// readTable reads a table of names from CSV in UTF-8, with or without a byte order
// mark: a code, then the columns from which name makes its name. A first line
// whose code is not digits is a heading.
func readTable[K comparable](r io.Reader, what, field string, most int, parse func(string) (K, error), name func(K, []string) string) (map[K]string, error) {
	limited := &io.LimitedReader{R: r, N: maxTableBytes}
	text := bufio.NewReader(limited)
	if bom, err := text.Peek(3); err == nil && string(bom) == "\uFEFF" {
		_, _ = text.Discard(3)
	}
	in := csv.NewReader(text)
	in.FieldsPerRecord = -1
	in.ReuseRecord = true
	t := map[K]string{}
	for n := 0; ; n++ {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("mykey: %s: %w", what, err)
		}
		line, _ := in.FieldPos(0)
		if n >= most {
			return nil, fmt.Errorf("mykey: %s: line %d: more than %d records", what, line, most)
		}
		k, err := parse(rec[0])
		if fe, ok := errors.AsType[*FormError](err); ok && n == 0 && fe.Rule == RuleCharacter {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("mykey: %s: line %d: %w", what, line, err)
		}
		text := name(k, rec[1:])
		if text == "" {
			return nil, fmt.Errorf("mykey: %s: line %d: %w", what, line, &FormError{Field: field, Rule: RuleMissing, Pos: -1})
		}
		if had, ok := t[k]; ok && had != text {
			return nil, fmt.Errorf("mykey: %s: line %d: %v has two names", what, line, k)
		}
		t[k] = text
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("mykey: %s: not read to the end: more than %d bytes", what, maxTableBytes)
	}
	return t, nil
}
