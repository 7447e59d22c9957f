package advice_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/advice"
)

// Each code whose meaning has been published has its advice.
func TestKnownCodes(t *testing.T) {
	for c, retry := range map[mykey.ErrorCode]advice.Retry{
		"MKCZ802E": advice.Later, "MKCZ405E": advice.Card, "MKCZ403E": advice.Never, "MKCZ302E": advice.Never,
		"MKCZ372E": advice.Change, "MKEC101E": advice.Later, "MKEC102E": advice.Later, "MKEC201E": advice.Later,
	} {
		a, ok := advice.OfCode(c)
		require.True(t, ok, c)
		assert.Equal(t, retry, a.Retry, c)
		assert.Equal(t, c, a.Code)
		checkTexts(t, string(c), a)
		_, err := mykey.ParseErrorCode(string(c))
		assert.NoError(t, err)
	}
	a, ok := advice.OfCode("MKCZ999E")
	assert.False(t, ok)
	assert.Equal(t, advice.Advice{Code: "MKCZ999E"}, a)
}

func ExampleOfCode() {
	a, ok := advice.OfCode("MKCZ403E")
	fmt.Println(ok, a.Retry)
	fmt.Println(a.Do.EN)
	// Output:
	// true never
	// Have a new certificate issued at the municipal office.
}
