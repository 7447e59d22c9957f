package secrettest_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/internal/secret/secrettest"
)

const mark = "73918264"

type plain struct{ v string }
type octets struct{ v []byte }
type number struct{ v uint32 }
type behind struct{ v *plain }

// hiding hides from fmt and nothing behind it.
type hiding struct {
	secret.Hidden
	V string
}

type toJSON struct{ v secret.String }

func (t toJSON) MarshalJSON() ([]byte, error) { return json.Marshal(t.v.Reveal()) }

// Told finds a secret that is kept in any of the ways people keep it.
func TestToldFinds(t *testing.T) {
	masked, _ := secret.Mask(mark)
	for name, v := range map[string]any{
		"string":    mark,
		"bytes":     []byte(mark),
		"struct":    plain{mark},
		"octets":    octets{[]byte(mark)},
		"number":    number{73918264},
		"next":      number{73918265},
		"pointer":   behind{&plain{mark}},
		"map":       map[string]int{mark: 1},
		"methods":   hiding{V: mark},
		"marshaler": toJSON{masked},
	} {
		assert.NotEmpty(t, secrettest.Told(v, mark), name)
	}
	assert.Contains(t, secrettest.Told(hiding{V: mark}, mark), "dump", "methods hide nothing from reflection")
	assert.Contains(t, secrettest.Told(toJSON{masked}, mark), "slog json")
	assert.Empty(t, secrettest.Told(plain{"something else"}, mark))
}
