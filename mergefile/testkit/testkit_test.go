package testkit_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/testkit"
)

// Example runs every vector through a reader, as another implementation would
// through its own.
func Example() {
	vectors, err := testkit.Vectors()
	if err != nil {
		fmt.Println(err)
		return
	}
	wrong := 0
	for _, v := range vectors {
		var records []mergefile.Record
		r, err := mergefile.NewReader(context.Background(), bytes.NewReader(v.File), v.Profile, v.Key, v.Options())
		if err == nil {
			for rec := range r.Records() {
				records = append(records, rec)
			}
			r.Close()
		}
		if v.Check(records, err) != nil {
			wrong++
		}
	}
	fmt.Println(len(vectors) >= 200, wrong)
	// Output: true 0
}

// Every vector, every way in.
func TestVectors(t *testing.T) {
	vectors, err := testkit.Vectors()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(vectors), 200)
	classes := map[string]int{}
	for _, v := range vectors {
		classes[v.Verdict]++
		collect := func(r *mergefile.Reader, err error) ([]mergefile.Record, error) {
			if err != nil {
				return nil, err
			}
			defer r.Close()
			var got []mergefile.Record
			for rec, err := range r.Records() {
				if err != nil {
					return nil, err
				}
				got = append(got, rec)
			}
			return got, nil
		}
		ctx := t.Context()
		assert.NoError(t, v.Check(collect(mergefile.NewReader(ctx, bytes.NewReader(v.File), v.Profile, v.Key, v.Options()))), "whole")
		assert.NoError(t, v.Check(collect(mergefile.NewReader(ctx, iotest.OneByteReader(bytes.NewReader(v.File)), v.Profile, v.Key, v.Options()))), "byte by byte")
		assert.NoError(t, v.Check(collect(mergefile.NewReaderAt(ctx, bytes.NewReader(v.File), int64(len(v.File)), v.Profile, v.Key, v.Options()))), "random access")
		assert.NoError(t, v.Check(provisional(ctx, v)), "provisional")

		diagnosis := mergefile.DiagnoseForDeveloper(ctx, v.File, v.Profile, v.Key, v.Options())
		if v.Verdict == testkit.Valid {
			assert.NoError(t, diagnosis, v.Name)
			continue
		}
		var e *mergefile.RecordError
		if assert.ErrorAs(t, diagnosis, &e, v.Name) {
			assert.Equal(t, v.Verdict, string(e.Fault), "%s: %v", v.Name, diagnosis)
		}
	}
	t.Log(len(vectors), "vectors:", classes)
	for _, fault := range []mergefile.Fault{
		mergefile.FaultSize, mergefile.FaultOuter, mergefile.FaultPrefix, mergefile.FaultBlocks, mergefile.FaultSegment,
		mergefile.FaultSidecar, mergefile.FaultPadding, mergefile.FaultHeader, mergefile.FaultLine, mergefile.FaultField,
		mergefile.FaultHash, mergefile.FaultDuplicate, mergefile.FaultRecordCount,
	} {
		assert.Positive(t, classes[string(fault)], "no vector for %q", fault)
	}
}

func provisional(ctx context.Context, v testkit.Vector) ([]mergefile.Record, error) {
	r, err := mergefile.NewProvisionalReader(ctx, iotest.OneByteReader(bytes.NewReader(v.File)), v.Profile, v.Key, v.Options())
	if err != nil {
		return nil, err
	}
	var got []mergefile.Record
	for rec, err := range r.Records() {
		if err == nil {
			got = append(got, rec)
		}
	}
	return got, r.Close()
}

func TestParseRefuses(t *testing.T) {
	for _, bad := range []string{"", "verdict: valid\n", "nonsense\n\n", "colour: blue\n\n", "key: zz\n\n", "profile: {}\n\n", "sha256: 00\n\n", "verdict: valid\n\n"} {
		_, err := testkit.Parse([]byte(bad))
		assert.Error(t, err, "%q", bad)
	}
}
