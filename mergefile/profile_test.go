package mergefile_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/mergefile"
)

func TestProfilesAsJSON(t *testing.T) {
	for _, p := range allAxes() {
		j, err := json.MarshalIndent(p, "", "  ")
		require.NoError(t, err)
		back, err := mergefile.ParseProfile(j)
		require.NoError(t, err, p.Name)
		assert.Equal(t, p, back)
	}
	j, err := json.Marshal(mergefile.Standard())
	require.NoError(t, err)
	for _, bad := range []string{"", "null x", "{}", "[]", string(j[:len(j)-1]), string(j) + "{}", `{"naem":"x",` + string(j[1:]),
		`{"holder":{"kind":"third"}}`,
		`{"name":"x",` + string(j[1:]), `{"Name":"x",` + string(j[len(`{"name":"Standard",`):]),
		strings.Replace(string(j), `"points":{`, `"points":{"digits":9,`, 1), strings.Replace(string(j), `"digits"`, `"DIGITS"`, 1),
		strings.Replace(string(j), `"holder"`, `"hoLder"`, 1), strings.Replace(string(j), `"records"`, `"record\u017f"`, 1),
		`{5:1}`, strings.Repeat("[", 20_000), strings.Repeat(`{"a":`, 20_000)} {
		_, err := mergefile.ParseProfile([]byte(bad))
		assert.Error(t, err, "%q", bad)
	}
}

func TestPresets(t *testing.T) {
	names := map[string]bool{}
	for _, p := range mergefile.Presets() {
		assert.NoError(t, p.Validate(), p.Name)
		assert.False(t, names[p.Name], p.Name)
		names[p.Name] = true
		found, ok := mergefile.Preset(p.Name)
		assert.True(t, ok)
		assert.Equal(t, p, found)
		assert.NoError(t, p.WithMyKeyID().Validate())
	}
	_, ok := mergefile.Preset("standard")
	assert.False(t, ok, "names are exact")
}

// Each change makes one axis wrong, and Validate names it.
func TestValidate(t *testing.T) {
	type P = mergefile.Profile
	for axis, changes := range map[string][]func(*P){
		"records":            {func(p *P) { p.Records = "" }, func(p *P) { p.Records = "two" }},
		"layout":             {func(p *P) { p.Layout = "xml" }},
		"charset":            {func(p *P) { p.Charset = "euc-jp" }},
		"eol":                {func(p *P) { p.EOL = "nel" }, func(p *P) { p.EOL, p.FinalEOL = "none", false }},
		"final_eol":          {func(p *P) { p.Records, p.EOL = "one", "none" }},
		"header":             {func(p *P) { p.Layout, p.Header, p.Names = "lines", true, []string{"a", "b", "c", "d"} }},
		"names":              {func(p *P) { p.Names = []string{"a"} }, func(p *P) { p.Header = true }},
		"names[1]":           {func(p *P) { p.Header, p.Names = true, []string{"a", "数", "c", "d"} }, func(p *P) { p.Header, p.Names = true, []string{"a", "a", "c", "d"} }, func(p *P) { p.Header, p.Names = true, []string{"a", "b,", "c", "d"} }},
		"holder.chars":       {func(p *P) { p.Holder.Chars = "kana" }, func(p *P) { p.Holder.Kind = mergefile.MyKeyID }},
		"holder.kind":        {func(p *P) { p.Holder.Kind = 7 }},
		"holder.min":         {func(p *P) { p.Holder.Min = 0 }, func(p *P) { p.Holder.Max = 33 }, func(p *P) { p.Holder.Min, p.Holder.Max = 5, 4 }},
		"points.digits":      {func(p *P) { p.Points.Digits = 0 }, func(p *P) { p.Points.Digits = 19 }},
		"points.zero_fill":   {func(p *P) { p.Layout = "fixed" }},
		"transaction.time":   {func(p *P) { p.Transaction.Time = "YY" }},
		"transaction.zone":   {func(p *P) { p.Transaction.Zone = "cet" }},
		"transaction.join":   {func(p *P) { p.Transaction.Join = "," }, func(p *P) { p.Transaction.Join = "0" }},
		"transaction.digits": {func(p *P) { p.Transaction.Digits = 10 }, func(p *P) { p.Transaction.Digits = -1 }, func(p *P) { p.Layout, p.Transaction.Digits, p.Points.ZeroFill = "fixed", 0, true }},
		"transaction.reset":  {func(p *P) { p.Transaction.Reset = "" }},
		"transaction.scope":  {func(p *P) { p.Transaction.Scope = "" }},
		"hash.join":          {func(p *P) { p.Hash.Join = "x" }, func(p *P) { p.Hash.Join = "-----" }},
		"hash.secret_join":   {func(p *P) { p.Hash.SecretJoin = "0" }, func(p *P) { p.Hash.SecretJoin = "、" }},
		"hash.place":         {func(p *P) { p.Hash.Place = "" }},
		"hash.secret":        {func(p *P) { p.Hash.Secret = "rot13" }},
		"hash.fields":        {func(p *P) { p.Hash.Fields = "" }},
		"hash.eol":           {func(p *P) { p.Hash.EOL = "" }},
		"hash.text":          {func(p *P) { p.Hash.Text = "sha1" }, func(p *P) { p.Hash.Text = "raw" }, func(p *P) { p.Hash.Text, p.Layout, p.Records = "raw", "lines", "one" }},
		"cipher.mode":        {func(p *P) { p.Cipher.Mode = "gcm" }},
		"cipher.iv":          {func(p *P) { p.Cipher.Mode = "ecb" }, func(p *P) { p.Cipher.IV = "none" }, func(p *P) { p.Cipher.Key = "evp-md5" }, func(p *P) { p.Cipher.IV = "derived" }},
		"cipher.fixed_iv":    {func(p *P) { p.Cipher.IV = "fixed" }, func(p *P) { p.Cipher.IV, p.Cipher.FixedIV = "fixed", "00" }, func(p *P) { p.Cipher.FixedIV = "00" }},
		"cipher.padding":     {func(p *P) { p.Cipher.Padding = "none" }, func(p *P) { p.Cipher.Mode, p.Cipher.IV = "envelope", "none" }},
		"cipher.key":         {func(p *P) { p.Cipher.Key = "" }, func(p *P) { *p = mergefile.Envelope(); p.Cipher.Key = mergefile.KeyMD5 }},
		"cipher.iterations":  {func(p *P) { p.Cipher.Iterations = 5 }, func(p *P) { p.Cipher.Key, p.Cipher.IV = "pbkdf2-sha256", "derived" }},
		"cipher.outer":       {func(p *P) { p.Cipher.Outer = "uuencode" }},
		"cipher.outer_eol":   {func(p *P) { p.Cipher.OuterEOL = "lf" }, func(p *P) { p.Cipher.Outer = "base64-64" }},
		"integrity":          {func(p *P) { p.Integrity = "" }, func(p *P) { *p = mergefile.Envelope(); p.Integrity = "sidecar" }},
		"associated":         {func(p *P) { p.Associated = "x" }},
		"file_name.kind":     {func(p *P) { p.FileName.Kind = "" }},
		"file_name.text":     {func(p *P) { p.FileName.Kind = "fixed" }, func(p *P) { p.FileName.Text = "x" }, func(p *P) { p.FileName = mergefile.FileNameForm{Kind: "day", Text: "../x"} }},
	} {
		for i, change := range changes {
			p := mergefile.Standard()
			change(&p)
			err := p.Validate()
			var pe *mergefile.ProfileError
			require.ErrorAs(t, err, &pe, "%s %d", axis, i)
			assert.Contains(t, err.Error(), "profile: "+axis+": ", "%d", i)
			_, werr := mergefile.NewWriter(t.Context(), nil, p, testKey(t), nil)
			assert.ErrorAs(t, werr, &pe)
			_, rerr := mergefile.NewReader(t.Context(), nil, p, testKey(t), nil)
			assert.ErrorAs(t, rerr, &pe)
			assert.True(t, hasFinding(p.Lint(), mergefile.LintInvalid))
		}
	}
	assert.Error(t, mergefile.Profile{}.Validate())
}

func TestLint(t *testing.T) {
	type P = mergefile.Profile
	std := mergefile.Standard
	strong := makeKey(t, "k", testMaterial, []byte("8f1d0c3ab94e7725d6"))
	for code, cases := range map[mergefile.LintCode][]struct {
		change func(*P)
		want   bool
	}{
		mergefile.LintUnbound: {
			{func(p *P) {}, false},
			{func(p *P) { *p = mergefile.Published() }, true},
			{func(p *P) { *p = mergefile.Published().WithMyKeyID() }, false},
			{func(p *P) { *p = mergefile.Published(); p.Points.ZeroFill = true }, false},
			{func(p *P) { *p = mergefile.Published(); p.Hash.Place = "between" }, false},
			{func(p *P) { *p = mergefile.Published(); p.Layout = "csv-quoted"; p.Hash.Fields = "written" }, false},
			{func(p *P) { *p = mergefile.Published(); p.Layout = "csv-quoted" }, true},
		},
		mergefile.LintECB:          {{func(p *P) {}, false}, {func(p *P) { *p = mergefile.JavaDefault() }, true}},
		mergefile.LintFixedIV:      {{func(p *P) {}, false}, {func(p *P) { *p = mergefile.DotNetDefault() }, true}, {func(p *P) { p.Cipher.IV = "zero" }, true}, {func(p *P) { p.Cipher.IV = "key" }, true}},
		mergefile.LintMalleable:    {{func(p *P) {}, false}, {func(p *P) { p.Cipher.Mode = "ctr" }, true}},
		mergefile.LintTruncation:   {{func(p *P) {}, false}, {func(p *P) { p.Cipher.Padding = "zero" }, true}, {func(p *P) { *p = mergefile.Sidecar(); p.Cipher.Padding = "zero" }, false}},
		mergefile.LintPadding:      {{func(p *P) {}, false}, {func(p *P) { p.Cipher.Padding = "iso10126" }, true}},
		mergefile.LintHashCase:     {{func(p *P) {}, false}, {func(p *P) { p.Hash.Text = "hex-any" }, true}},
		mergefile.LintSecretPrefix: {{func(p *P) {}, false}, {func(p *P) { p.Hash.Place = "prefix" }, true}},
		mergefile.LintPassphrase:   {{func(p *P) {}, false}, {func(p *P) { *p = mergefile.OpenSSLMD5() }, true}, {func(p *P) { *p = mergefile.OpenSSLPBKDF2() }, true}, {func(p *P) { p.Cipher.Key = mergefile.KeyMD5 }, true}},
		mergefile.LintFoldedKey:    {{func(p *P) {}, false}, {func(p *P) { *p = mergefile.MySQL() }, true}},
		mergefile.LintSequence:     {{func(p *P) {}, false}, {func(p *P) { p.Transaction.Scope, p.Transaction.Reset = "terminal", "second" }, true}},
		mergefile.LintNoIntegrity:  {{func(p *P) {}, true}, {func(p *P) { *p = mergefile.Sidecar() }, false}, {func(p *P) { *p = mergefile.Envelope() }, false}},
		mergefile.LintNoAssociation: {
			{func(p *P) { *p = mergefile.Envelope() }, true},
			{func(p *P) { *p = mergefile.Envelope(); p.Associated = "operator=000001" }, false},
		},
	} {
		for i, c := range cases {
			p := std()
			c.change(&p)
			require.NoError(t, p.Validate())
			assert.Equal(t, c.want, hasFinding(p.Lint(strong), code), "%s %d", code, i)
		}
	}
	for secret, short := range map[string]bool{"S3CRET": true, "aaaaaaaaaaaaaaaaaaaaaaaa": true, "8f1d0c3ab94e7725": false} {
		k := makeKey(t, "k", testMaterial, []byte(secret))
		assert.Equal(t, short, hasFinding(std().Lint(k), mergefile.LintShortSecret), secret)
		for _, f := range std().Lint(k) {
			assert.NotContains(t, f.String(), secret)
		}
	}
	// A key is judged as the profile takes it, and not shown.
	for _, tt := range []struct {
		form     mergefile.KeyForm
		material string
		want     mergefile.LintCode // or none
	}{
		{mergefile.KeyRaw, "\x8f\x1d\x0c\x3a\xb9\x4e\x77\x25\xd6\xa1\xb2\xc3\x01\x02\x03\x04", ""},
		{mergefile.KeyRaw, "KEYKEYKEYKEYKEYK", mergefile.LintWeakKey},
		{mergefile.KeyRaw, "KEYk3yfedcba9876", mergefile.LintWeakKey},
		{mergefile.KeyRaw, "KEY", mergefile.LintInvalid},
		{mergefile.KeyHex, "8f1d0c3ab94e7725d6a1b2c301020304", ""},
		{mergefile.KeyHex, "00000000000000000000000000000000", mergefile.LintWeakKey},
		{mergefile.KeyHex, "KEY", mergefile.LintInvalid},
		{mergefile.KeyMySQL, "KEY", mergefile.LintWeakKey},
		{mergefile.KeyMD5, "KEYKEYKEYKEYKEYKEYKEY", mergefile.LintWeakKey},
		{mergefile.KeyMD5, "8f1d0c3ab94e7725d6", ""},
	} {
		p := std()
		p.Cipher.Key = tt.form
		findings := p.Lint(makeKey(t, "k", []byte(tt.material), []byte("8f1d0c3ab94e7725d6")))
		for _, code := range []mergefile.LintCode{mergefile.LintWeakKey, mergefile.LintInvalid} {
			assert.Equal(t, code == tt.want, hasFinding(findings, code), "%s %q", tt.form, tt.material)
		}
		for _, f := range findings {
			assert.NotContains(t, f.String(), "KEY")
		}
	}
	for _, f := range (mergefile.Profile{}).Lint() {
		assert.NotContains(t, f.String(), "\n")
	}
	var last mergefile.Severity
	rank := map[mergefile.Severity]int{mergefile.SeverityDanger: 1, mergefile.SeverityWarning: 2, mergefile.SeverityNote: 3}
	for _, f := range mergefile.JavaDefault().Lint() {
		assert.GreaterOrEqual(t, rank[f.Severity], rank[last], "the worst first")
		last = f.Severity
		assert.NotEmpty(t, f.Text)
	}
}

// A profile can come from anywhere. What is wrong with it is said in a line.
func TestProfileErrorsAreShort(t *testing.T) {
	good, err := json.Marshal(mergefile.Standard())
	require.NoError(t, err)
	long := strings.Repeat("9", 50_000)
	for name, text := range map[string]string{
		"a number":      strings.Replace(string(good), `"digits":9`, `"digits":`+long, 1),
		"a name":        `{"` + strings.Repeat("x", 50_000) + `":1}`,
		"a value":       strings.Replace(string(good), `"csv"`, `"`+long+`"`, 1),
		"a text":        strings.Replace(string(good), `"digits":9`, `"digits":"`+long+`"`, 1),
		"ten megabytes": strings.Replace(string(good), `"digits":9`, `"digits":`+strings.Repeat("9", 10<<20), 1),
	} {
		require.NotEqual(t, string(good), text, name)
		_, err := mergefile.ParseProfile([]byte(text))
		require.Error(t, err, name)
		assert.Less(t, len(err.Error()), 500, name)
	}
}
