package mykey_test

import (
	"testing"

	"github.com/mynakit/mynakit/mykey"
	"github.com/stretchr/testify/assert"
)

func TestParseCode(t *testing.T) {
	for _, tc := range []struct {
		in   string
		rule mykey.Rule
	}{
		{"MKCZ802E", ""}, {"MKEC201E", ""}, {"MKZZ999E", ""},
		{"", mykey.RuleLength}, {"MKCZ802", mykey.RuleLength}, {"MKCZ802E ", mykey.RuleLength},
		{"mkcz802e", mykey.RuleCharacter}, {"MKCZ8O2E", mykey.RuleCharacter}, {"MK12802E", mykey.RuleCharacter},
		{"MKCZ802X", mykey.RuleCharacter}, {"E0008", mykey.RuleCharacter},
	} {
		c, err := mykey.ParseErrorCode(tc.in)
		wantRule(t, err, tc.rule)
		if tc.rule == "" {
			assert.Equal(t, tc.in, string(c))
		} else {
			assert.Empty(t, c)
		}
	}
}
