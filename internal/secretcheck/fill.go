package secretcheck

import (
	"errors"
	"go/token"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/internal/secret/secrettest"
)

// mark is in every string, byte slice and integer that is secret and can hold it.
const mark = "73918264"

const markNumber = 73918264

const module = "github.com/mynakit/mynakit"

// Told returns the ways in which values of the types show a secret, by the names
// of the types: the directory and the name, such as "jpki/cms.Message". A type
// that shows none has an empty list.
func Told(types []reflect.Type) map[string][]string {
	told := map[string][]string{}
	for _, t := range types {
		told[nameOf(t)] = secrettest.Told(filled(t), mark)
	}
	return told
}

// suspicious are the words for what is secret in most types.
var suspicious = regexp.MustCompile(`(?i)(pin|secret|password|passphrase|serial|mynumber|holder|birth|address|token|key|code|number)s?$`)

// Suspicious returns the plain fields of the types in shows whose name is a word
// for a secret, with the type: "mykey.Terminal.Key". A field of that name that is
// added to a listed type has to be decided on as well.
func Suspicious(types []reflect.Type) (fields []string) {
	for _, t := range types {
		if shows[nameOf(t)] == "" || t.Kind() != reflect.Struct {
			continue
		}
		for i := range t.NumField() {
			f := t.Field(i)
			if plain(f.Type) && suspicious.MatchString(f.Name) {
				fields = append(fields, nameOf(t)+"."+f.Name)
			}
		}
	}
	return fields
}

// plain reports whether a field of type t holds text or bytes as they are.
func plain(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String:
		return t.PkgPath() == ""
	case reflect.Slice, reflect.Array:
		return t.Elem().Kind() == reflect.Uint8 || plain(t.Elem())
	case reflect.Pointer:
		return plain(t.Elem())
	}
	return false
}

// nameOf returns the name of a type, without type arguments.
func nameOf(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	return strings.TrimPrefix(t.PkgPath(), module+"/") + "." + name
}

// filled returns a value of type t in which every secret part holds the mark. These
// are the values in boxes of internal/secret, and the plain fields, exported or
// not, of all types that are not in shows.
func filled(t reflect.Type) any {
	v := reflect.New(t).Elem()
	fill(v, true, nil)
	return v.Interface()
}

// fill sets v. It goes through the module's own types and the plain ones; of
// other people's it knows those that carry something. isSecret is true if
// plain values are secret here. path holds the types that are being filled, so that a list
// that links to itself ends.
func fill(v reflect.Value, isSecret bool, path []reflect.Type) {
	t := v.Type()
	if slices.Contains(path, t) && t.Kind() == reflect.Struct {
		return
	}
	path = append(path[:len(path):len(path)], t)
	if strings.HasPrefix(t.PkgPath(), module) && token.IsExported(t.Name()) && !strings.Contains(t.PkgPath(), "/internal/") {
		isSecret = shows[nameOf(t)] == ""
	}
	text, number := mark, uint64(markNumber)
	if !isSecret {
		text, number = "plain", 5
	}
	switch p := v.Addr().Interface().(type) {
	case *secret.String:
		*p, _ = secret.Mask(mark)
		return
	case *secret.Uint64:
		*p = secret.MaskUint64(markNumber)
		return
	case *time.Time:
		*p = time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
		return
	case *big.Int:
		p.SetUint64(number)
		return
	case *error:
		*p = errors.New("some error") // errors are types of their own here
		return
	case *any:
		*p = text
		return
	}
	switch t.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(int64(number))
	case reflect.Uint32, reflect.Uint64, reflect.Uint:
		v.SetUint(number)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		fill(v.Elem(), isSecret, path)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			v.Set(reflect.ValueOf([]byte(text)).Convert(t))
			return
		}
		v.Set(reflect.MakeSlice(t, 1, 1))
		fill(v.Index(0), isSecret, path)
	case reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			for i := range min(v.Len(), len(text)) {
				v.Index(i).SetUint(uint64(text[i]))
			}
			return
		}
		for i := range v.Len() {
			fill(v.Index(i), isSecret, path)
		}
	case reflect.Map:
		key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		fill(key, isSecret, path)
		fill(value, isSecret, path)
		v.Set(reflect.MakeMap(t))
		if key.Comparable() {
			v.SetMapIndex(key, value)
		}
	case reflect.Func:
		// The closure of a box. What it returns is secret in every type.
		if t.NumIn() == 0 && t.NumOut() == 1 {
			out := reflect.New(t.Out(0)).Elem()
			fill(out, true, path)
			v.Set(reflect.MakeFunc(t, func([]reflect.Value) []reflect.Value { return []reflect.Value{out} }))
		}
	case reflect.Struct:
		fillStruct(v, isSecret, path)
	}
}

func fillStruct(v reflect.Value, isSecret bool, path []reflect.Type) {
	t := v.Type()
	own := t.PkgPath() == "" || strings.HasPrefix(t.PkgPath(), module) || t.PkgPath() == "unique"
	for i := range t.NumField() {
		f := v.Field(i)
		here := isSecret && !public[nameOf(t)+"."+t.Field(i).Name]
		switch {
		case own:
			// Unexported fields are set as well.
			fill(reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem(), here, path)
		case t.Field(i).IsExported() && carries[t.PkgPath()]:
			fill(f, here, path)
		}
	}
}

// carries are the packages of others whose structs carry what was read from a
// card: a certificate has a name in it.
var carries = map[string]bool{"crypto/x509": true, "crypto/x509/pkix": true, "encoding/asn1": true}
