// Package secrettest tests that a value does not tell its secrets. [Told] sends
// it through everything that prints, logs, encodes or dumps.
package secrettest

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
)

// Told returns the ways in which v, or a struct that holds v, shows one of the
// marks: "fmt %+v", "json" and so on. A mark is a secret that stands in v. It
// should have six characters or more, since a shorter one is found by chance.
func Told(v any, marks ...string) []string {
	spelled := spellings(marks)
	var ways []string
	check := func(way, shown string) {
		shown = strings.ToLower(shown)
		if slices.ContainsFunc(spelled, func(s string) bool { return strings.Contains(shown, s) }) {
			ways = append(ways, way)
		}
	}
	for _, held := range holders(v) {
		show(held.name, held.v, check)
	}
	slices.Sort(ways)
	return slices.Compact(ways)
}

type holder struct {
	name string
	v    any
}

// holders returns v itself, a pointer to it, and v within what people put it
// in. A field that is not exported matters most: fmt prints what is in it
// without calling a method.
func holders(v any) []holder {
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	return []holder{
		{"", v},
		{" of a pointer", p.Interface()},
		{" of an unexported field", struct{ v any }{v}},
		{" of an unexported pointer", struct{ v any }{p.Interface()}},
		{" of a field", struct{ V any }{v}},
		{" of a slice", []any{v}},
		{" of a map", map[string]any{"v": v}},
	}
}

func show(where string, v any, check func(way, shown string)) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%t", "%e", "%p", "%T", "% x", "%#x", "%+q"} {
		check("fmt "+verb+where, fmt.Sprintf(verb, v))
	}
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("text", "v", v, slog.Group("g", "v", v))
	check("slog text"+where, b.String())
	b.Reset()
	slog.New(slog.NewJSONHandler(&b, nil)).Info("json", "v", v, slog.Group("g", "v", v))
	check("slog json"+where, b.String())

	if j, err := json.Marshal(v); err != nil {
		check("json error"+where, err.Error())
	} else {
		check("json"+where, string(j))
	}
	if x, err := xml.Marshal(v); err != nil {
		check("xml error"+where, err.Error())
	} else {
		check("xml"+where, string(x))
	}
	var g bytes.Buffer
	if err := encodeGob(&g, v); err != nil {
		check("gob error"+where, err.Error())
	}
	check("gob"+where, g.String())

	b.Reset()
	dump(&b, reflect.ValueOf(v), map[uintptr]bool{}, 0)
	check("dump"+where, b.String())
}

// encodeGob turns gob's panics, which some types without exported fields
// raise, into errors.
func encodeGob(w *bytes.Buffer, v any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return gob.NewEncoder(w).Encode(v)
}

// maxDepth bounds a dump: what is of interest lies near.
const maxDepth = 24

// dump writes all that reflection can read, through unexported fields,
// pointers, interfaces, slices and maps. It calls no methods.
func dump(w *strings.Builder, v reflect.Value, seen map[uintptr]bool, depth int) {
	if !v.IsValid() || depth > maxDepth {
		return
	}
	switch v.Kind() {
	case reflect.String:
		fmt.Fprintf(w, "%s\n", v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		fmt.Fprintf(w, "%d %x ", v.Int(), v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		fmt.Fprintf(w, "%d %x ", v.Uint(), v.Uint())
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			return
		}
		seen[v.Pointer()] = true
		dump(w, v.Elem(), seen, depth+1)
	case reflect.Interface:
		dump(w, v.Elem(), seen, depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			dump(w, v.Field(i), seen, depth+1)
		}
	case reflect.Map:
		if seen[v.Pointer()] {
			return
		}
		seen[v.Pointer()] = true
		for it := v.MapRange(); it.Next(); {
			dump(w, it.Key(), seen, depth+1)
			dump(w, it.Value(), seen, depth+1)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b := make([]byte, v.Len())
			for i := range b {
				b[i] = byte(v.Index(i).Uint())
			}
			fmt.Fprintf(w, "%s\n%x\n", b, b)
			return
		}
		for i := range v.Len() {
			dump(w, v.Index(i), seen, depth+1)
		}
	}
}

// spellings returns the forms in which a mark may be shown, in lower case: as
// it is, as bytes in hexadecimal, decimal, octal and binary, as base64 and, if
// it is a number, as that number and the next.
func spellings(marks []string) []string {
	var out []string
	for _, m := range marks {
		b := []byte(m)
		out = append(out, m, hex.EncodeToString(b), fmt.Sprintf("% x", b),
			inner(fmt.Sprint(b)), inner(fmt.Sprintf("%o", b)), inner(fmt.Sprintf("%b", b)),
			strings.Trim(fmt.Sprintf("%#v", b), "[]byte{}"), inner(fmt.Sprintf("%U", b)))
		for skip := range 3 { // base64 of text that begins within a group of three
			if len(b) > skip+3 {
				whole := b[skip:]
				out = append(out, base64.StdEncoding.EncodeToString(whole[:len(whole)/3*3]))
			}
		}
		var n uint64
		if _, err := fmt.Sscanf(m, "%d", &n); err == nil && fmt.Sprint(n) == strings.TrimLeft(m, "0") {
			for _, n := range []uint64{n, n + 1} {
				out = append(out, fmt.Sprint(n), fmt.Sprintf("%x", n), fmt.Sprintf("%o", n), fmt.Sprintf("%b", n))
			}
		}
	}
	for i := range out {
		out[i] = strings.ToLower(out[i])
	}
	return slices.DeleteFunc(out, func(s string) bool { return len(s) < 6 })
}

// inner takes the brackets from a printed slice.
func inner(s string) string { return strings.Trim(s, "[]") }
