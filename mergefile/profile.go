package mergefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	// TrailingDelimiter says that a delimiter stands behind the last field too.
	TrailingDelimiter bool `json:"trailing_delimiter,omitempty"`
	// Fill is the number of spaces behind each record of LayoutFixed.
	Fill int `json:"fill,omitempty"`
	// Tail is what stands behind the last record: "", "eol" for an empty line,
	// or "ctrl-z".
	Tail string `json:"tail,omitempty"`

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
	// Text is another spelling: "space-fill" (Digits wide, with spaces on the
	// left), "plus" (with a plus sign) or "commas" (with one before each three
	// digits).
	Text string `json:"text,omitempty"`
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
	// Columns is the number of columns that the field takes: 0 or 1 for one, 2
	// for time and sequence, 3 for date, time of day and sequence. The hash
	// takes each for a field.
	Columns int `json:"columns,omitempty"`
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
	// Encoding is that of the hash's input: "" for the bytes as they are, or
	// "utf-16le" or "utf-16be", where the secret is given as UTF-8.
	Encoding string `json:"encoding,omitempty"`
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
	// Salt is one salt for all files, in hexadecimal, for a key of a passphrase
	// without IVDerived.
	Salt string `json:"salt,omitempty"`
	// Outer is the text form of the encrypted bytes, and OuterEOL ends each of
	// its lines (of the one line, where Outer does not wrap).
	Outer    Outer `json:"outer"`
	OuterEOL EOL   `json:"outer_eol"`
	// OuterOpen says that the last line of wrapped text has no line end.
	OuterOpen bool `json:"outer_open,omitempty"`
	// OuterIV is the text form of an IV that is a text of its own in front of
	// Outer, with OuterJoin between: ":" or ".".
	OuterIV   Outer  `json:"outer_iv,omitempty"`
	OuterJoin string `json:"outer_join,omitempty"`
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

// ProfileError says which axis of a profile is wrong, and how. Axis is the
// path in the JSON form, such as "cipher.iv".
type ProfileError struct {
	Axis   string
	Reason string
}

func (e *ProfileError) Error() string { return "mergefile: profile: " + e.Axis + ": " + e.Reason }

// maxProfile is many times the length of the longest profile.
const maxProfile = 1 << 16

// ParseProfile reads a profile from JSON and validates it. A name it does not
// know or that comes twice, or anything behind the object, is an error: an axis
// that was misspelt would otherwise be silently left at nothing, and of two
// values nobody would know which one holds. The errors are those of
// encoding/json and [Profile.Validate], or say which name it is.
func ParseProfile(data []byte) (Profile, error) {
	if len(data) > maxProfile {
		return Profile{}, fmt.Errorf("mergefile: profile: %d bytes, and at most %d are read", len(data), maxProfile)
	}
	if err := exactNames(json.NewDecoder(bytes.NewReader(data)), 4); err != nil {
		return Profile{}, profileError(err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var p Profile
	if err := dec.Decode(&p); err != nil {
		return Profile{}, profileError(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Profile{}, errors.New("mergefile: profile: more than one JSON value")
	}
	return p, p.Validate()
}

// profileError wraps an error of encoding/json, which may quote all of a number
// or a name.
func profileError(err error) error {
	const most = 200
	if errors.Is(err, io.EOF) {
		return errors.New("mergefile: profile: the file is empty")
	}
	if text := err.Error(); len(text) > most {
		err = fmt.Errorf("%s … (%d bytes)", strings.ToValidUTF8(text[:most], ""), len(text))
	}
	return fmt.Errorf("mergefile: profile: %w", err)
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
				return fmt.Errorf("%s is there twice", brief(name))
			case strings.ContainsFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }):
				return fmt.Errorf("unknown field %s", brief(name))
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

// Validate returns what is wrong with the profile: every fault, joined, each a
// [*ProfileError]. Nil means that a [Writer] and a [Reader] accept it.
func (p Profile) Validate() error {
	v := &validation{}
	p.validateText(v)
	p.validateFields(v)
	p.validateHash(v)
	p.Cipher.validate(v)

	check(v, "integrity", p.Integrity, IntegrityNone, IntegritySidecar)
	sealed := modes.row(p.Cipher.Mode).sealed
	v.when(p.Integrity == IntegritySidecar && sealed, "integrity", "an envelope is authenticated in itself")
	v.when(p.Associated != "" && !sealed, "associated", "only an envelope can bind it")
	v.when(len(p.Associated) > 1024, "associated", "more than 1024 bytes")

	check(v, "file_name.kind", p.FileName.Kind, NameAny, NameFixed, NameTransaction, NameDay)
	v.when(p.FileName.Kind == NameFixed && p.FileName.Text == "", "file_name.text", "missing")
	v.when(p.FileName.Kind == NameAny && p.FileName.Text != "", "file_name.text", "unused with any")
	v.when(strings.ContainsAny(p.FileName.Text, "/\\\x00"), "file_name.text", "a name without directories")
	return errors.Join(v.faults...)
}
