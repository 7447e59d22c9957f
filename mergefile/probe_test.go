package mergefile_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

// The prober finds every profile of the suite again, from one record.
func TestProbeFindsEveryProfile(t *testing.T) {
	for i, p := range allAxes() {
		if p.Integrity == mergefile.IntegritySidecar {
			continue
		}
		if every := 4; os.Getenv("MYNAKIT_LONG") != "1" {
			if raceDetector {
				every = 20
			}
			if i%every != 0 {
				continue // MYNAKIT_LONG=1 takes them all
			}
		}
		t.Run(p.Name, func(t *testing.T) {
			k := testKey(t)
			file, _ := write(t, p, k, records(t, p, 1))
			opts := &mergefile.ProbeOptions{Name: fileName, IV: p.Cipher.FixedIV, Salt: p.Cipher.Salt, KeyID: "k1", Associated: p.Associated}
			found, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, opts)
			require.NoError(t, err)
			// What it found reads the file; the very profile is among it, as far
			// as one file can tell.
			want := record(t, p, 0)
			same := false
			for _, f := range found {
				got, err := drain(mergefile.NewReader(t.Context(), bytes.NewReader(file), f.Profile, f.Key, &mergefile.ReaderOptions{Name: fileName}))
				require.NoError(t, err)
				require.Len(t, got, 1)
				same = same || got[0].Holder.Reveal() == want.Holder.Reveal() && got[0].Points == want.Points
			}
			assert.True(t, same, "%d found, none with the right holder and points", len(found))
			best := found[0].Profile
			assert.Equal(t, p.Cipher.Mode, best.Cipher.Mode)
			assert.Equal(t, p.Layout, best.Layout)
		})
	}
}

func TestProbeTakesKeysInAnyText(t *testing.T) {
	p := mergefile.Standard()
	file, _ := write(t, p, testKey(t), records(t, p, 2))
	for name, key := range map[string]string{
		"raw":                 string(testMaterial),
		"raw with a line end": string(testMaterial) + "\r\n",
		"hex":                 hex.EncodeToString(testMaterial),
		"hex with a line end": hex.EncodeToString(testMaterial) + "\n",
		"base64":              base64.StdEncoding.EncodeToString(testMaterial),
	} {
		found, err := mergefile.ProbeForDeveloper(t.Context(), file, []byte(key), append(testSecret[:len(testSecret):len(testSecret)], '\n'), nil)
		require.NoError(t, err, name)
		assert.EqualValues(t, 2, found[0].Records)
		assert.Equal(t, "Standard", found[0].Nearest, name)
		_, err = drain(mergefile.NewReader(t.Context(), bytes.NewReader(file), found[0].Profile, found[0].Key, nil))
		require.NoError(t, err)
	}
	// In its own spelling nothing differs.
	found, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, nil)
	require.NoError(t, err)
	assert.Zero(t, found[0].Distance)
	assert.NotEmpty(t, found[0].Profile)
}

func TestProbeSaysHowFarItCame(t *testing.T) {
	p := mergefile.Standard()
	file, _ := write(t, p, testKey(t), records(t, p, 3))
	var pe *mergefile.ProbeError
	_, err := mergefile.ProbeForDeveloper(t.Context(), file, []byte("another key 4567"), testSecret, nil)
	require.ErrorAs(t, err, &pe)
	assert.Contains(t, err.Error(), "no way of using the key")
	_, err = mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, []byte("opensesame"), nil)
	require.ErrorAs(t, err, &pe)
	assert.Contains(t, err.Error(), "no hash verifies")
	assert.NotContains(t, err.Error(), "opensesame")
	_, err = mergefile.ProbeForDeveloper(t.Context(), encryptStandard(t, []byte("This is a letter and not a merge file.\r\n")), testMaterial, testSecret, nil)
	require.ErrorAs(t, err, &pe)
	assert.Contains(t, err.Error(), "no layout fits")
	for _, junk := range [][]byte{nil, {0}, make([]byte, 16), make([]byte, 4096), []byte("Salted__"), []byte("MKMERGE\x01")} {
		_, err = mergefile.ProbeForDeveloper(t.Context(), junk, testMaterial, testSecret, nil)
		require.ErrorAs(t, err, &pe, "%q", junk)
	}
	_, err = mergefile.ProbeForDeveloper(t.Context(), file, nil, testSecret, nil)
	require.ErrorIs(t, err, mergefile.ErrKey)
	done, total := 0, 0
	_, err = mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, &mergefile.ProbeOptions{Progress: func(d, n int) {
		assert.GreaterOrEqual(t, d, done)
		done, total = d, n
	}})
	require.NoError(t, err)
	assert.Equal(t, total, done)
	assert.Positive(t, total)
}

// A record is never taken for a row of names, which would be printed and kept,
// even if the IV that garbles its beginning is not known.
func TestProbeShowsNoData(t *testing.T) {
	for _, change := range []func(*mergefile.Profile){
		func(p *mergefile.Profile) {},
		func(p *mergefile.Profile) { p.Layout = mergefile.LayoutTSV },
		func(p *mergefile.Profile) { p.Layout = mergefile.LayoutCSVQuoted },
		func(p *mergefile.Profile) { p.Hash.Text = mergefile.HashBase64 },
		func(p *mergefile.Profile) { p.Transaction.Digits = 0 },
		func(p *mergefile.Profile) {
			p.Cipher.IV, p.Cipher.FixedIV = mergefile.IVFixed, "000102030405060708090a0b0c0d0e0f"
		},
		func(p *mergefile.Profile) { p.Cipher.Mode, p.Cipher.IV = mergefile.CipherECB, mergefile.IVNone },
	} {
		p := mergefile.Standard()
		p.Holder.Min = 20
		change(&p)
		var rs []mergefile.Record
		for i := range 4 {
			r := record(t, p, i)
			var err error
			r.Holder, err = mergefile.NewMallHolder("HOLDER520625HOLDER52")
			require.NoError(t, err)
			rs = append(rs, r)
		}
		file, _ := write(t, p, testKey(t), rs)
		// The IV is not handed over: what is found then is of no use, and shows
		// nothing.
		found, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, nil)
		if err != nil {
			assert.NotContains(t, err.Error(), "520625")
			continue
		}
		assert.EqualValues(t, len(rs), found[0].Records)
		for _, f := range found {
			assert.LessOrEqual(t, f.Records, found[0].Records, "the most records first")
			assert.Empty(t, f.Profile.Names)
		}
	}
}

// A preset's file is that preset's, however its key is spelled.
func TestProbeNamesPresets(t *testing.T) {
	hexKey := []byte(hex.EncodeToString(testMaterial) + "\n")
	for _, tt := range []struct {
		p    mergefile.Profile
		key  []byte
		opts *mergefile.ProbeOptions
		form mergefile.KeyForm
	}{
		{mergefile.Standard(), testMaterial, nil, mergefile.KeyRaw},
		{mergefile.Standard(), hexKey, nil, mergefile.KeyHex},
		{mergefile.JavaDefault(), testMaterial, nil, mergefile.KeyRaw},
		{mergefile.JavaDefault(), hexKey, nil, mergefile.KeyHex},
		{mergefile.DotNetDefault(), testMaterial, nil, mergefile.KeyRaw},
		{mergefile.DotNetDefault(), hexKey, &mergefile.ProbeOptions{IV: strings.Repeat("0", 32)}, mergefile.KeyHex},
		{mergefile.MySQL(), []byte("a passphrase"), nil, mergefile.KeyMySQL},
		{mergefile.OpenSSLPBKDF2(), []byte("a passphrase"), nil, mergefile.KeyPBKDF2},
	} {
		material := tt.key
		if tt.form == mergefile.KeyHex {
			material = testMaterial
		}
		// Hashes with letters, so that their case shows.
		file, _ := write(t, tt.p, makeKey(t, "k1", material, testSecret), records(t, tt.p, 5))
		found, err := mergefile.ProbeForDeveloper(t.Context(), file, tt.key, testSecret, tt.opts)
		require.NoError(t, err)
		assert.Equal(t, tt.p.Name, found[0].Nearest)
		assert.Zero(t, found[0].Distance, tt.p.Name)
		assert.Equal(t, tt.form, found[0].Profile.Cipher.Key, tt.p.Name)
	}
}

// A fixed IV that nobody told of leaves the text readable and spoils its
// beginning.
func TestProbeMissesTheIV(t *testing.T) {
	p := mergefile.DotNetDefault()
	p.Cipher.FixedIV = "000102030405060708090a0b0c0d0e0f"
	for _, n := range []int{1, 4} {
		file, _ := write(t, p, testKey(t), records(t, p, n))
		_, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, nil)
		require.Error(t, err)
		assert.Contains(t, err.Error(), "fixed IV that was not handed over")
		assert.Contains(t, err.Error(), "-iv")
		_, err = mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, &mergefile.ProbeOptions{IV: strings.Repeat("5a", 16)})
		assert.ErrorContains(t, err, "another IV than the one that was handed over is right")
		found, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, &mergefile.ProbeOptions{IV: strings.ToUpper(p.Cipher.FixedIV)})
		require.NoError(t, err)
		assert.EqualValues(t, n, found[0].Records)
	}
	ecb := mergefile.JavaDefault()
	file, _ := write(t, ecb, testKey(t), records(t, ecb, 1))
	_, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, []byte("another secret"), nil)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "IV that was")
}

func TestProbeIterations(t *testing.T) {
	p := mergefile.OpenSSLPBKDF2()
	p.Cipher.Iterations = 2048
	file, _ := write(t, p, testKey(t), records(t, p, 1))
	_, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, nil)
	require.Error(t, err)
	found, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, &mergefile.ProbeOptions{Iterations: []int{10_000, 2048}})
	require.NoError(t, err)
	assert.Equal(t, 2048, found[0].Profile.Cipher.Iterations)

	for _, opts := range []mergefile.ProbeOptions{{Iterations: []int{0}}, {Iterations: []int{600_001}}, {Iterations: make([]int, 17)}, {IV: "00"}, {IV: strings.Repeat("x", 32)}} {
		var pe *mergefile.ProfileError
		_, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, &opts)
		assert.ErrorAs(t, err, &pe)
	}
}

// A line end in the hash's input is the profile's, where it can be, and not the
// secret's, whose file has one anyway.
func TestProbeLeavesLineEndsToTheProfile(t *testing.T) {
	p := mergefile.Standard()
	p.Hash.EOL = mergefile.EOLLF
	file, _ := write(t, p, testKey(t), records(t, p, 1))
	found, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, append(testSecret[:len(testSecret):len(testSecret)], '\n'), nil)
	require.NoError(t, err)
	for _, f := range found {
		assert.Equal(t, mergefile.EOLLF, f.Profile.Hash.EOL)
	}
}

// Nor is a record with a number that cannot exist: its hash gives it away.
func TestProbeShowsNoWrongRecord(t *testing.T) {
	good := "520625,100,20170512093000000001"
	text := "520626,200,20170231093000000001,0123456789abcdef0123456789abcdef\r\n" +
		fmt.Sprintf("%s,%x\r\n", good, md5.Sum([]byte(good+","+string(testSecret))))
	for _, hash := range []string{"0123456789abcdef0123456789abcdef", "ASNFZ4mrze8BI0VniavN7w=="} {
		file := encryptStandard(t, []byte(strings.Replace(text, "0123456789abcdef0123456789abcdef", hash, 1)))
		_, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, nil)
		var pe *mergefile.ProbeError
		require.ErrorAs(t, err, &pe)
	}
}

// Points are written with commas and hashed without them, which the first record
// does not show.
func TestProbeCommasInALaterRecord(t *testing.T) {
	p := mergefile.Published()
	p.Layout, p.Points.Text, p.Hash.Fields = mergefile.LayoutCSVQuoted, "commas", "plain"
	rs := records(t, p, 2)
	rs[0].Points, rs[1].Points = 100, 5100
	file, _ := write(t, p, testKey(t), rs)
	found, err := mergefile.ProbeForDeveloper(t.Context(), file, testMaterial, testSecret, nil)
	require.NoError(t, err)
	got, err := drain(mergefile.NewReader(t.Context(), bytes.NewReader(file), found[0].Profile, found[0].Key, nil))
	require.NoError(t, err)
	require.Equal(t, rs, got)
}
