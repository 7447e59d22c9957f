package mergefile_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// What is written for practice is read for practice, under each preset, and is
// not valid for whoever has the keys of the day alone, nor the other way round.
func TestTrainingKeys(t *testing.T) {
	holder, err := mergefile.NewMallHolder("520625")
	require.NoError(t, err)
	number, err := mergefile.NewTransaction(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), 1)
	require.NoError(t, err)
	for _, p := range mergefile.Presets() {
		key := makeKey(t, "K1", []byte("0123456789abcdef"), []byte("0123456789abcdef0123456789abcdef"))
		practice := mergefile.Training(mergefile.Ring{key})
		for _, c := range []struct {
			write, read mergefile.KeySource
			want        error
		}{{practice, practice, nil}, {practice, key, mergefile.ErrInvalid}, {key, practice, mergefile.ErrInvalid}, {key, key, nil}} {
			var file, side bytes.Buffer
			opts := &mergefile.WriterOptions{Name: "a.dat"}
			if p.Integrity == mergefile.IntegritySidecar {
				opts.Sidecar = &side
			}
			w, err := mergefile.NewWriter(t.Context(), &file, p, c.write, opts)
			require.NoError(t, err, p.Name)
			require.NoError(t, errors.Join(w.Write(mergefile.Record{Holder: holder, Points: 100, Transaction: number}), w.Close()), p.Name)
			r, err := mergefile.NewReader(t.Context(), bytes.NewReader(file.Bytes()), p, c.read, &mergefile.ReaderOptions{Name: "a.dat", Sidecar: side.Bytes()})
			if err == nil {
				require.NoError(t, r.Close())
			}
			assert.ErrorIs(t, err, c.want, p.Name)
		}
	}
	_, err = mergefile.Training(noKeys{}).Keys(t.Context())
	assert.ErrorIs(t, err, mergefile.ErrKey)
}

// noKeys is a source that has failed.
type noKeys struct{}

func (noKeys) Keys(context.Context) ([]mergefile.Key, error) { return nil, mergefile.ErrKey }
