package registry_test

import (
	"errors"
	"testing"

	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDeviceOf(t *testing.T) {
	for k, want := range map[jpki.Kind]registry.Device{jpki.KindPlastic: registry.DeviceCard, jpki.KindAndroid: registry.DeviceAndroid, jpki.KindIPhone: registry.DeviceIPhone} {
		d, err := registry.DeviceOf(k)
		require.NoError(t, err)
		assert.Equal(t, want, d)
	}
	for _, k := range []jpki.Kind{jpki.KindUnknown, jpki.KindJuki} {
		_, err := registry.DeviceOf(k)
		fe, ok := errors.AsType[*mykey.FormError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, mykey.RuleUnknown, fe.Rule)
	}
	assert.Equal(t, "Device(9)", registry.Device(9).String())
}
