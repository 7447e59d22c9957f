package shop_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/examples/shop"
)

// Programs that start at once on an empty folder get one shop's keys.
func TestKeysAreMadeOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	var mu sync.Mutex
	var made int
	var all []shop.Keys
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			k, created, err := shop.LoadKeys(path)
			assert.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, k)
			if created {
				made++
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 1, made)
	for _, k := range all {
		assert.True(t, k.Equal(all[0]))
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "nothing else is left")
	if runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.EqualValues(t, 0o600, info.Mode().Perm())
		require.NoError(t, os.Chmod(path, 0o640))
		_, _, err = shop.LoadKeys(path)
		assert.ErrorIs(t, err, shop.ErrKeyFileOpen)
	}
}

func TestKeyFilesThatAreNone(t *testing.T) {
	for _, text := range []string{"", "{}", "null", "[]", `{"pseudonym": "not base64!"}`, strings.Repeat("[", 100_000)} {
		path := filepath.Join(t.TempDir(), "keys.json")
		writeFile(t, path, text)
		k, _, err := shop.LoadKeys(path)
		assert.Equal(t, shop.ErrKeyFile, err, "the error itself, with nothing of the file")
		assert.True(t, k.IsZero())
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, text, string(now), "it was left as it is")
	}
}

func TestKeysPrintAsRedacted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	k, _, err := shop.LoadKeys(path)
	require.NoError(t, err)
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	var printed strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&printed, verb+verb+"\n", k, &k)
	}
	fmt.Fprintf(&printed, "%v %+v %#v", struct{ k shop.Keys }{k}, struct{ k *shop.Keys }{&k}, []any{struct{ k shop.Keys }{k}})
	slog.New(slog.NewJSONHandler(&printed, nil)).Info("keys", "keys", k)
	coded, err := json.Marshal(map[string]any{"keys": k})
	require.NoError(t, err)
	printed.Write(coded)
	assert.Equal(t, 18, strings.Count(printed.String(), "[redacted]"))
	secrets := regexp.MustCompile(`"[^"]{20,}"`).FindAllString(string(file), -1)
	require.Len(t, secrets, 5)
	for _, s := range secrets {
		s = strings.Trim(s, `"`)
		assert.NotContains(t, printed.String(), s)
		if raw, err := base64.StdEncoding.DecodeString(s); err == nil {
			assert.NotContains(t, printed.String(), strings.Trim(fmt.Sprint(raw), "[]"))
			assert.NotContains(t, strings.ToLower(printed.String()), fmt.Sprintf("%x", raw))
		}
	}
}
