package mergefile

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Profile fixes every byte of a merge file that the published specification
// leaves open: it says AES128, four fields and MD5 over three of them with a
// secret string, and no more (システム設計書 III.14). Both ends must use the
// same profile; a reader never guesses.
//
// A profile is plain data without secrets. It is written and read as JSON, so
// that an integrator keeps one beside the program; [ParseProfile] reads it
// strictly. Start from a preset, such as [Standard], change what differs, and
// call [Profile.Validate] and [Profile.Lint].
type Profile struct {
	// Name is for people.
	Name string `json:"name"`
	// Records says whether a file holds one record or any number.
	Records RecordCount `json:"records"`
	// Layout is how the four fields lie in the text.
	Layout Layout `json:"layout"`
	// Header says that the first line holds the Names.
	Header bool `json:"header"`
	// Names are the names of the four fields, in order, for the header row and
	// for LayoutKeyValue. Every other profile leaves them out.
	Names []string `json:"names,omitempty"`
	// Charset is how Names are encoded. The fields themselves are ASCII in
	// every profile.
	Charset Charset `json:"charset"`
	// EOL ends a line of text; FinalEOL says whether the last line has one.
	EOL      EOL  `json:"eol"`
	FinalEOL bool `json:"final_eol"`

	Holder      HolderForm      `json:"holder"`
	Points      PointsForm      `json:"points"`
	Transaction TransactionForm `json:"transaction"`
	Hash        HashForm        `json:"hash"`
	Cipher      CipherForm      `json:"cipher"`

	// Integrity says what protects the file beyond MD5.
	Integrity Integrity `json:"integrity"`
	// Associated is bound to every byte of an envelope without being in it:
	// who the file is from and for, such as the operator's ID and the
	// municipality's code. For CipherEnvelope alone.
	Associated string `json:"associated,omitempty"`
	// FileName is how files are named.
	FileName FileNameForm `json:"file_name"`
}

// HolderForm is field 1: which identifier, and the grammar it must follow. The
// narrower the grammar, the less a forger can move between fields; see
// [Profile.Lint].
type HolderForm struct {
	Kind  HolderKind  `json:"kind"`
	Chars HolderChars `json:"chars"`
	// Min and Max are the least and greatest length in characters, within 1
	// and MaxHolderLen; 8 and 8 for a MyKey ID. In LayoutFixed the field is
	// Max characters wide, with spaces on the right.
	Min int `json:"min"`
	Max int `json:"max"`
}

// PointsForm is field 2 (合算ポイント数), a decimal number from 1, without sign,
// point or comma.
type PointsForm struct {
	// Digits is the greatest number of digits, 1 to 18.
	Digits int `json:"digits"`
	// ZeroFill makes the field exactly Digits wide with zeros on the left;
	// without it a leading zero is refused.
	ZeroFill bool `json:"zero_fill"`
}

// TransactionForm is field 3 (取引済番号): date and time, then a sequence
// number (連番).
type TransactionForm struct {
	Time TimeForm `json:"time"`
	Zone Zone     `json:"zone"`
	// Join stands between time and sequence: "" or one of "-", "_", ".", " ".
	Join string `json:"join"`
	// Digits is the width of the sequence, 1 to 9 with zeros on the left, or 0
	// for 1 to 9 digits without them.
	Digits int `json:"digits"`
	// Reset and Scope record what the sending side promises of the sequence:
	// when it starts again, and who counts. Whoever checks for duplicates must
	// know; [Profile.Lint] warns of promises that do not make the number unique.
	Reset SequenceReset `json:"reset"`
	Scope SequenceScope `json:"scope"`
}

// HashForm is field 4 (改ざん検知用ハッシュ値): MD5 over fields 1 to 3 and the
// secret string (特定の文字列).
type HashForm struct {
	// Join stands between the fields in the hash's input, SecretJoin between
	// the fields and the secret: up to 4 characters of ASCII punctuation,
	// space or tab. The document says only 結合 (joined); read literally, both
	// are empty.
	Join       string `json:"join"`
	SecretJoin string `json:"secret_join"`
	// Place is where the secret goes.
	Place SecretPlace `json:"place"`
	// Secret is how the secret's text becomes bytes.
	Secret SecretForm `json:"secret"`
	// Fields says whether the fields are hashed bare or as they are written in
	// the line, with quotes or fill.
	Fields HashFields `json:"fields"`
	// EOL ends the hash's input: what a shell's echo leaves there.
	EOL EOL `json:"eol"`
	// Text is how the 16 bytes are written.
	Text HashText `json:"text"`
}

// CipherForm is the encryption (AES128, 共通鍵暗号化方式) and what surrounds it.
type CipherForm struct {
	Mode CipherMode `json:"mode"`
	IV   IVForm     `json:"iv"`
	// FixedIV is the IV of IVFixed, 32 hexadecimal digits.
	FixedIV string  `json:"fixed_iv,omitempty"`
	Padding Padding `json:"padding"`
	// Key is how the key material becomes an AES key.
	Key KeyForm `json:"key"`
	// Iterations is the work factor of KeyPBKDF2, 1 to 10,000,000; openssl
	// enc's own default is 10,000.
	Iterations int `json:"iterations,omitempty"`
	// Outer is the text form of the encrypted bytes, and OuterEOL ends each of
	// its lines (of the one line, where Outer does not wrap).
	Outer    Outer `json:"outer"`
	OuterEOL EOL   `json:"outer_eol"`
}

// FileNameForm is how merge files are named.
type FileNameForm struct {
	Kind FileNameKind `json:"kind"`
	// Text is the whole name for NameFixed, the suffix (such as ".dat") for
	// NameTransaction and NameDay, and unused for NameAny.
	Text string `json:"text,omitempty"`
}

// The choices along each axis. Each value is also its name in JSON.
type (
	RecordCount   string
	Layout        string
	Charset       string
	EOL           string
	HolderChars   string
	Zone          string
	SequenceReset string
	SequenceScope string
	SecretPlace   string
	SecretForm    string
	HashFields    string
	HashText      string
	CipherMode    string
	IVForm        string
	Padding       string
	KeyForm       string
	Outer         string
	Integrity     string
	FileNameKind  string
)

const (
	// RecordsOne is one record a file: one press of 合算 at the counter.
	RecordsOne  RecordCount = "one"
	RecordsMany RecordCount = "many"

	LayoutCSV       Layout = "csv"        // fields joined with commas
	LayoutCSVQuoted Layout = "csv-quoted" // each field in double quotes
	LayoutTSV       Layout = "tsv"        // fields joined with tabs
	LayoutFixed     Layout = "fixed"      // fixed widths, nothing between
	LayoutLines     Layout = "lines"      // one field a line, four lines a record
	LayoutKeyValue  Layout = "key-value"  // name=value lines, four a record

	CharsetASCII   Charset = "ascii"
	CharsetCP932   Charset = "cp932" // Microsoft's Shift_JIS
	CharsetUTF8    Charset = "utf-8"
	CharsetUTF8BOM Charset = "utf-8-bom" // UTF-8 with a byte order mark in front

	EOLNone EOL = "none"
	EOLLF   EOL = "lf"
	EOLCRLF EOL = "crlf"

	CharsDigits HolderChars = "digits" // 0-9
	CharsUpper  HolderChars = "upper"  // 0-9 A-Z
	CharsAlnum  HolderChars = "alnum"  // 0-9 A-Z a-z

	ZoneJST Zone = "jst"
	ZoneUTC Zone = "utc"

	ResetNever  SequenceReset = "never"
	ResetDay    SequenceReset = "day"
	ResetSecond SequenceReset = "second"

	ScopeCloud    SequenceScope = "cloud"    // one counter for all
	ScopeShop     SequenceScope = "shop"     // a counter for each shop
	ScopeTerminal SequenceScope = "terminal" // a counter for each terminal

	SecretSuffix  SecretPlace = "suffix"  // fields, secret
	SecretPrefix  SecretPlace = "prefix"  // secret, fields
	SecretBoth    SecretPlace = "both"    // secret, fields, secret
	SecretBetween SecretPlace = "between" // field, secret, field, secret, field

	SecretRaw    SecretForm = "raw"    // the bytes as given
	SecretCP932  SecretForm = "cp932"  // given as UTF-8, hashed as CP932
	SecretHex    SecretForm = "hex"    // given in hexadecimal, hashed decoded
	SecretBase64 SecretForm = "base64" // given in base64, hashed decoded

	HashBare    HashFields = "bare"
	HashWritten HashFields = "written"

	HashHexLower HashText = "hex-lower"
	HashHexUpper HashText = "hex-upper"
	HashHexAny   HashText = "hex-any" // read in either case, written in lower
	HashBase64   HashText = "base64"
	HashRaw      HashText = "raw" // 16 bytes as they are

	CipherCBC    CipherMode = "cbc"
	CipherECB    CipherMode = "ecb"
	CipherCTR    CipherMode = "ctr"
	CipherCFB8   CipherMode = "cfb8"
	CipherCFB128 CipherMode = "cfb128"
	// CipherEnvelope is the authenticated container of this package: AES-128-GCM
	// in segments, with a version and a key identifier in front.
	CipherEnvelope CipherMode = "envelope"

	IVNone     IVForm = "none"      // for ECB and the envelope
	IVPrefixed IVForm = "prefixed"  // 16 random bytes in front of the file
	IVFixed    IVForm = "fixed"     // one IV for all files
	IVZero     IVForm = "zero"      // sixteen zeros
	IVKey      IVForm = "key"       // the AES key itself
	IVFileName IVForm = "file-name" // the first 16 bytes of the file's name
	IVDerived  IVForm = "derived"   // comes with the key from passphrase and salt

	PaddingPKCS7    Padding = "pkcs7" // also called PKCS5
	PaddingZero     Padding = "zero"  // 0 to 15 zero bytes
	PaddingSpace    Padding = "space" // 0 to 15 spaces
	PaddingX923     Padding = "x923"
	PaddingISO10126 Padding = "iso10126"
	PaddingNone     Padding = "none"

	KeyRaw       KeyForm = "raw"           // 16 bytes (or ASCII characters) as given
	KeyHex       KeyForm = "hex"           // 32 hexadecimal digits
	KeyBase64    KeyForm = "base64"        // 24 characters
	KeyEVPMD5    KeyForm = "evp-md5"       // passphrase, openssl enc -md md5, Salted__
	KeyEVPSHA256 KeyForm = "evp-sha256"    // passphrase, openssl enc since 1.1.0, Salted__
	KeyPBKDF2    KeyForm = "pbkdf2-sha256" // passphrase, openssl enc -pbkdf2, Salted__
	KeyMySQL     KeyForm = "mysql"         // any length, folded by XOR as AES_ENCRYPT does
	KeyMD5       KeyForm = "md5"           // passphrase, whose MD5 is the key: 16 bytes, not their hexadecimal

	OuterBinary   Outer = "binary"
	OuterBase64   Outer = "base64"    // one line
	OuterBase64W  Outer = "base64-64" // lines of 64, as openssl writes them
	OuterBase64M  Outer = "base64-76" // lines of 76, as MIME and MySQL write them
	OuterHexLower Outer = "hex-lower"
	OuterHexUpper Outer = "hex-upper"

	IntegrityNone Integrity = "none"
	// IntegritySidecar demands an HMAC-SHA-256 of the file in a second file,
	// named like the first with ".mac" behind. The merge file is unchanged, so
	// an old program still reads it.
	IntegritySidecar Integrity = "sidecar"

	NameAny         FileNameKind = "any"
	NameFixed       FileNameKind = "fixed"       // always Text
	NameTransaction FileNameKind = "transaction" // the first record's number, then Text
	NameDay         FileNameKind = "day"         // YYYYMMDD/ and the number, then Text
)

// maxIterations takes seconds.
const maxIterations = 10_000_000

// ProfileError says which axis of a profile is wrong, and how. Axis is the
// path in the JSON form, such as "cipher.iv".
type ProfileError struct {
	Axis   string
	Reason string
}

func (e *ProfileError) Error() string { return "mergefile: profile: " + e.Axis + ": " + e.Reason }

// ParseProfile reads a profile from JSON and validates it. A name it does not
// know or that comes twice, or anything behind the object, is an error: an axis
// that was misspelt would otherwise be silently left at nothing, and of two
// values nobody would know which one holds. The errors are those of
// encoding/json and [Profile.Validate], or say which name it is.
func ParseProfile(data []byte) (Profile, error) {
	if err := exactNames(json.NewDecoder(bytes.NewReader(data)), 4); err != nil {
		return Profile{}, fmt.Errorf("mergefile: profile: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var p Profile
	if err := dec.Decode(&p); err != nil {
		return Profile{}, fmt.Errorf("mergefile: profile: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Profile{}, errors.New("mergefile: profile: more than one JSON value")
	}
	return p, p.Validate()
}

// exactNames goes over a JSON value and refuses what encoding/json lets pass: a
// name that comes twice in one object, and one that is not in lower case, as
// all names of a profile are. No profile is as deep as depth.
func exactNames(dec *json.Decoder, depth int) error {
	open, err := dec.Token()
	if err != nil {
		return err
	}
	if depth == 0 {
		return errors.New("too deep")
	}
	if open != json.Delim('{') && open != json.Delim('[') {
		return nil
	}
	names := map[string]bool{}
	for dec.More() {
		if open == json.Delim('{') {
			token, err := dec.Token()
			if err != nil {
				return err
			}
			name, _ := token.(string)
			switch {
			case names[name]:
				return fmt.Errorf("%q is there twice", name)
			case strings.ContainsFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }):
				return fmt.Errorf("unknown field %q", name)
			}
			names[name] = true
		}
		if err := exactNames(dec, depth-1); err != nil {
			return err
		}
	}
	_, err = dec.Token() // the end of it
	return err
}

// Validate says what is wrong with the profile: every fault, joined, each a
// [*ProfileError]. Nil means that a [Writer] and a [Reader] accept it.
func (p Profile) Validate() error {
	v := &validation{}
	check(v, "records", p.Records, RecordsOne, RecordsMany)
	check(v, "layout", p.Layout, LayoutCSV, LayoutCSVQuoted, LayoutTSV, LayoutFixed, LayoutLines, LayoutKeyValue)
	check(v, "charset", p.Charset, CharsetASCII, CharsetCP932, CharsetUTF8, CharsetUTF8BOM)
	check(v, "eol", p.EOL, EOLNone, EOLLF, EOLCRLF)
	p.validateText(v)
	p.validateFields(v)
	p.validateHash(v)
	p.validateCipher(v)

	check(v, "integrity", p.Integrity, IntegrityNone, IntegritySidecar)
	v.when(p.Integrity == IntegritySidecar && p.Cipher.Mode == CipherEnvelope,
		"integrity", "an envelope is authenticated in itself")
	v.when(p.Associated != "" && p.Cipher.Mode != CipherEnvelope, "associated", "only an envelope can bind it")
	v.when(len(p.Associated) > 1024, "associated", "more than 1024 bytes")

	check(v, "file_name.kind", p.FileName.Kind, NameAny, NameFixed, NameTransaction, NameDay)
	v.when(p.FileName.Kind == NameFixed && p.FileName.Text == "", "file_name.text", "missing")
	v.when(p.FileName.Kind == NameAny && p.FileName.Text != "", "file_name.text", "unused with any")
	v.when(strings.ContainsAny(p.FileName.Text, "/\\\x00"), "file_name.text", "a name without directories")
	return errors.Join(v.faults...)
}

func (p Profile) validateText(v *validation) {
	lines := p.Layout == LayoutLines || p.Layout == LayoutKeyValue
	v.when(p.EOL == EOLNone && (lines || p.Header || p.Records == RecordsMany && p.Layout != LayoutFixed),
		"eol", "nothing tells the lines apart")
	v.when(p.EOL == EOLNone && p.FinalEOL, "final_eol", "there is no end of line to write")
	v.when(p.Header && (lines || p.Layout == LayoutFixed), "header", "only CSV and TSV have a header row")

	if named := p.Header || p.Layout == LayoutKeyValue; !named {
		v.when(len(p.Names) != 0, "names", "unused without a header row or key-value lines")
	} else if len(p.Names) != 4 {
		v.add("names", "four names are needed")
	} else {
		for i, name := range p.Names {
			axis := fmt.Sprintf("names[%d]", i)
			b, err := p.Charset.encode(name)
			if err != nil {
				v.add(axis, err.Error())
			}
			v.when(len(b) == 0 || len(b) > 64, axis, "1 to 64 bytes are needed")
			v.when(strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7F || r == '"' || r == ',' || r == '=' }),
				axis, "a control character or one of \" , =")
			v.when(slices.Contains(p.Names[:i], name), axis, "the same name twice")
		}
	}
}

func (p Profile) validateFields(v *validation) {
	check(v, "holder.chars", p.Holder.Chars, CharsDigits, CharsUpper, CharsAlnum)
	v.when(p.Holder.Kind > MyKeyID, "holder.kind", "unknown")
	v.when(p.Holder.Min < 1 || p.Holder.Max > MaxHolderLen || p.Holder.Min > p.Holder.Max,
		"holder.min", fmt.Sprintf("lengths run from 1 to %d", MaxHolderLen))
	v.when(p.Holder.Kind == MyKeyID && (p.Holder.Chars != CharsUpper || p.Holder.Min != 8 || p.Holder.Max != 8),
		"holder.chars", "a MyKey ID is 8 characters of upper")

	v.when(p.Points.Digits < 1 || p.Points.Digits > 18, "points.digits", "1 to 18 digits")
	v.when(p.Layout == LayoutFixed && !p.Points.ZeroFill, "points.zero_fill", "a fixed layout needs a fixed width")

	check(v, "transaction.time", p.Transaction.Time, TimeSeconds, TimeMillis, TimeDashes, TimeSlashes, TimeISO)
	check(v, "transaction.zone", p.Transaction.Zone, ZoneJST, ZoneUTC)
	check(v, "transaction.join", p.Transaction.Join, "", "-", "_", ".", " ")
	check(v, "transaction.reset", p.Transaction.Reset, ResetNever, ResetDay, ResetSecond)
	check(v, "transaction.scope", p.Transaction.Scope, ScopeCloud, ScopeShop, ScopeTerminal)
	v.when(p.Transaction.Digits < 0 || p.Transaction.Digits > maxSequenceWidth, "transaction.digits", "1 to 9 digits, or 0 for any number of them")
	v.when(p.Layout == LayoutFixed && p.Transaction.Digits == 0, "transaction.digits", "a fixed layout needs a fixed width")
}

func (p Profile) validateHash(v *validation) {
	// Letters and digits would read as part of a field, which is the ambiguity
	// that a delimiter is there to end.
	delimiter := func(s string) bool {
		return len(s) <= 4 && !strings.ContainsFunc(s, func(r rune) bool {
			return r > '~' || r < ' ' && r != '\t' && r != '\r' && r != '\n' || isAlnum(byte(r))
		})
	}
	const allowed = "up to 4 characters of ASCII punctuation, space, tab or line end"
	v.when(!delimiter(p.Hash.Join), "hash.join", allowed)
	v.when(!delimiter(p.Hash.SecretJoin), "hash.secret_join", allowed)
	check(v, "hash.place", p.Hash.Place, SecretSuffix, SecretPrefix, SecretBoth, SecretBetween)
	check(v, "hash.secret", p.Hash.Secret, SecretRaw, SecretCP932, SecretHex, SecretBase64)
	check(v, "hash.fields", p.Hash.Fields, HashBare, HashWritten)
	check(v, "hash.eol", p.Hash.EOL, EOLNone, EOLLF, EOLCRLF)
	check(v, "hash.text", p.Hash.Text, HashHexLower, HashHexUpper, HashHexAny, HashBase64, HashRaw)
	v.when(p.Hash.Text == HashRaw && p.Records == RecordsMany && p.Layout != LayoutFixed,
		"hash.text", "raw bytes can hold a line end, so that many records need a fixed layout")
	v.when(p.Hash.Text == HashRaw && (p.Layout == LayoutLines || p.Layout == LayoutKeyValue),
		"hash.text", "raw bytes cannot stand in a line")
}

func (p Profile) validateCipher(v *validation) {
	c := p.Cipher
	check(v, "cipher.mode", c.Mode, CipherCBC, CipherECB, CipherCTR, CipherCFB8, CipherCFB128, CipherEnvelope)
	check(v, "cipher.iv", c.IV, IVNone, IVPrefixed, IVFixed, IVZero, IVKey, IVFileName, IVDerived)
	check(v, "cipher.padding", c.Padding, PaddingPKCS7, PaddingZero, PaddingSpace, PaddingX923, PaddingISO10126, PaddingNone)
	check(v, "cipher.key", c.Key, KeyRaw, KeyHex, KeyBase64, KeyEVPMD5, KeyEVPSHA256, KeyPBKDF2, KeyMySQL, KeyMD5)
	check(v, "cipher.outer", c.Outer, OuterBinary, OuterBase64, OuterBase64W, OuterBase64M, OuterHexLower, OuterHexUpper)
	check(v, "cipher.outer_eol", c.OuterEOL, EOLNone, EOLLF, EOLCRLF)

	noIV := c.Mode == CipherECB || c.Mode == CipherEnvelope
	v.when(noIV && c.IV != IVNone && c.IV != IVDerived, "cipher.iv", "this mode has no IV")
	v.when(!noIV && c.IV == IVNone, "cipher.iv", "this mode needs an IV")
	v.when(c.Mode == CipherEnvelope && c.IV == IVDerived, "cipher.iv", "an envelope has its own salt")
	v.when((c.IV == IVDerived) != c.Key.salted(), "cipher.iv", "derived goes with a passphrase, and a passphrase with derived")
	iv, err := hex.DecodeString(c.FixedIV)
	v.when(c.IV == IVFixed && (err != nil || len(iv) != blockSize), "cipher.fixed_iv", "32 hexadecimal digits are needed")
	v.when(c.IV != IVFixed && c.FixedIV != "", "cipher.fixed_iv", "unused")

	v.when(c.Mode == CipherEnvelope && c.Padding != PaddingNone, "cipher.padding", "an envelope has none")
	v.when((c.Mode == CipherCBC || c.Mode == CipherECB) && c.Padding == PaddingNone, "cipher.padding", "this mode works on whole blocks")
	v.when(c.Mode == CipherEnvelope && (c.Key.salted() || c.Key == KeyMD5), "cipher.key", "an envelope needs a key, not a passphrase")
	v.when(p.Hash.Text == HashRaw && !p.FinalEOL && (c.Padding == PaddingZero || c.Padding == PaddingSpace),
		"cipher.padding", "a hash of raw bytes may end like it")

	v.when(c.Key == KeyPBKDF2 && (c.Iterations < 1 || c.Iterations > maxIterations), "cipher.iterations", "1 to 10000000")
	v.when(c.Key != KeyPBKDF2 && c.Iterations != 0, "cipher.iterations", "unused")
	wraps := c.Outer == OuterBase64W || c.Outer == OuterBase64M
	v.when(wraps && c.OuterEOL == EOLNone, "cipher.outer_eol", "wrapped lines need one")
	v.when(c.Outer == OuterBinary && c.OuterEOL != EOLNone, "cipher.outer_eol", "unused with binary")
}

// validation collects faults.
type validation struct{ faults []error }

func (v *validation) add(axis, reason string) {
	v.faults = append(v.faults, &ProfileError{Axis: axis, Reason: reason})
}

func (v *validation) when(bad bool, axis, reason string) {
	if bad {
		v.add(axis, reason)
	}
}

// check finds a value that is none of the choices of its axis.
func check[T ~string](v *validation, axis string, got T, choices ...T) {
	if slices.Contains(choices, got) {
		return
	}
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = fmt.Sprintf("%q", string(c))
	}
	v.add(axis, fmt.Sprintf("%q is none of %s", string(got), strings.Join(names, ", ")))
}

// bytes gives the line end itself.
func (e EOL) bytes() string {
	switch e {
	case EOLLF:
		return "\n"
	case EOLCRLF:
		return "\r\n"
	}
	return ""
}
