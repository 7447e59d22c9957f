package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/agent/api"
)

// document is the OpenAPI document, by which every answer of every test is
// checked.
type document struct{ root map[string]any }

func openDocument(t testing.TB) document {
	t.Helper()
	var d document
	require.NoError(t, json.Unmarshal(api.OpenAPI(), &d.root))
	return d
}

func (d document) at(path ...string) any {
	var at any = d.root
	for _, name := range path {
		m, _ := at.(map[string]any)
		at = m[name]
	}
	return at
}

// pattern returns the document's path for a request's.
func (d document) pattern(path string) string {
	for p := range d.at("paths").(map[string]any) {
		if regexp.MustCompile("^"+regexp.MustCompile(`\{\w+\}`).ReplaceAllString(p, "[^/]+")+"$").MatchString(path) &&
			(!strings.Contains(p, "{") || d.at("paths", path) == nil) {
			return p
		}
	}
	return ""
}

// check returns what is wrong with an answer.
func (d document) check(method, path string, status int, kind string, body []byte) error {
	pattern := d.pattern(path)
	if pattern == "" && status == http.StatusNotFound {
		pattern, method = "/v1/card", "GET" // any failure's form
		return d.checkBody(d.at("components", "schemas", "Failure"), body)
	}
	op := d.at("paths", pattern, strings.ToLower(method))
	if op == nil {
		return fmt.Errorf("%s %s is not in the document", method, path)
	}
	response := d.at("paths", pattern, strings.ToLower(method), "responses", fmt.Sprint(status))
	if response == nil {
		return fmt.Errorf("%s %s: status %d is not in the document: %s", method, path, status, body)
	}
	schema := d.at("paths", pattern, strings.ToLower(method), "responses", fmt.Sprint(status), "content", kind, "schema")
	if schema == nil {
		return fmt.Errorf("%s %s: %d of the type %q is not in the document", method, path, status, kind)
	}
	if kind != "application/json" {
		return nil
	}
	return d.checkBody(schema, body)
}

func (d document) checkBody(schema any, body []byte) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return fmt.Errorf("%w: %s", err, body)
	}
	return d.valid(schema.(map[string]any), v, "$")
}

// valid checks a value by the words of JSON Schema that the document uses.
func (d document) valid(schema map[string]any, v any, at string) error {
	for word, want := range schema {
		switch word {
		case "$ref":
			next := d.at(strings.Split(strings.TrimPrefix(want.(string), "#/"), "/")...)
			if next == nil {
				return fmt.Errorf("%s: %v leads nowhere", at, want)
			}
			if err := d.valid(next.(map[string]any), v, at); err != nil {
				return err
			}
		case "anyOf":
			var errs []error
			for _, s := range want.([]any) {
				errs = append(errs, d.valid(s.(map[string]any), v, at))
			}
			if !slices.Contains(errs, nil) {
				return fmt.Errorf("%s: %v", at, errs)
			}
		case "type":
			got := map[bool]string{true: "null"}[v == nil]
			switch v := v.(type) {
			case string:
				got = "string"
			case bool:
				got = "boolean"
			case float64:
				got = "number"
				if v == float64(int64(v)) {
					got = "integer"
				}
			case []any:
				got = "array"
			case map[string]any:
				got = "object"
			}
			if got != want {
				return fmt.Errorf("%s is %s, not %v", at, got, want)
			}
		case "const":
			if v != want {
				return fmt.Errorf("%s is %v, not %v", at, v, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				return fmt.Errorf("%s: %v is none of %v", at, v, want)
			}
		case "pattern":
			if s, ok := v.(string); ok && !regexp.MustCompile(want.(string)).MatchString(s) {
				return fmt.Errorf("%s: %q is not of the form %v", at, s, want)
			}
		case "format":
			layout := map[any]string{"date-time": time.RFC3339Nano, "date": time.DateOnly}[want]
			if s, ok := v.(string); ok {
				if _, err := time.Parse(layout, s); err != nil {
					return fmt.Errorf("%s: %w", at, err)
				}
			}
		case "minimum", "maximum":
			if n, ok := v.(float64); ok && (word == "minimum" && n < want.(float64) || word == "maximum" && n > want.(float64)) {
				return fmt.Errorf("%s: %v is beyond %v", at, n, want)
			}
		case "items":
			for i, item := range v.([]any) {
				if err := d.valid(want.(map[string]any), item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
					return err
				}
			}
		case "properties":
			m, ok := v.(map[string]any)
			if !ok {
				continue // type says so
			}
			for name, value := range m {
				s, known := want.(map[string]any)[name]
				if !known {
					if schema["additionalProperties"] == false {
						return fmt.Errorf("%s.%s is not in the document", at, name)
					}
					continue
				}
				if err := d.valid(s.(map[string]any), value, at+"."+name); err != nil {
					return err
				}
			}
		case "required":
			for _, name := range want.([]any) {
				if m, ok := v.(map[string]any); ok {
					if _, there := m[name.(string)]; !there {
						return fmt.Errorf("%s lacks %v", at, name)
					}
				}
			}
		case "description", "additionalProperties", "contentEncoding", "minLength", "maxLength":
		default:
			return fmt.Errorf("%s: this test does not know the word %s", at, word)
		}
	}
	return nil
}
