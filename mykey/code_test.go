package mykey_test

import (
	"testing"

	"github.com/mynakit/mynakit/mykey"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

func TestKnownCodes(t *testing.T) {
	codes := mykey.KnownCodes()
	want := map[mykey.ErrorCode]mykey.Retry{
		"MKCZ802E": mykey.RetryLater, "MKCZ405E": mykey.RetryAction, "MKCZ403E": mykey.RetryNever, "MKCZ302E": mykey.RetryNever,
		"MKCZ372E": mykey.RetryRestart, "MKEC101E": mykey.RetryAction, "MKEC102E": mykey.RetryAction, "MKEC201E": mykey.RetryAction,
	}
	require.Len(t, codes, len(want))
	for c, retry := range want {
		e, ok := codes.Explain(c)
		require.True(t, ok, c)
		assert.Equal(t, retry, e.Retry, c)
		for _, s := range []string{e.Meaning.JA, e.Meaning.EN, e.Remedy.JA, e.Remedy.EN} {
			assert.NotEmpty(t, s, c)
		}
		_, err := mykey.ParseErrorCode(string(c))
		assert.NoError(t, err)
	}
	_, ok := codes.Explain("MKCZ999E")
	assert.False(t, ok)
	codes["MKCZ999E"] = mykey.Explanation{Retry: mykey.RetryLater}
	_, ok = mykey.KnownCodes().Explain("MKCZ999E")
	assert.False(t, ok, "each table is the caller's own")
	assert.Equal(t, "restart", mykey.RetryRestart.String())
	assert.Equal(t, "unknown", mykey.Retry(99).String())
}
