package version_test

import (
	"regexp"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mynakit/mynakit/examples/internal/version"
)

func TestLine(t *testing.T) {
	assert.Regexp(t, `^till \S+ `+regexp.QuoteMeta(runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH)+`$`, version.Line("till"))
	assert.True(t, version.Asked([]string{"-version"}))
	assert.True(t, version.Asked([]string{"--version"}))
	assert.True(t, version.Asked([]string{"version"}))
	assert.False(t, version.Asked(nil))
	assert.False(t, version.Asked([]string{"open", "-version"}))
}
