package mergefile

// Standard is the profile to use where both ends are free to choose: CSV in
// ASCII without a header, CRLF; a 14-digit time in Japan Standard Time and a
// 6-digit sequence; MD5 over holder,points,transaction,secret in lower-case
// hexadecimal; AES-128-CBC with a random IV in front and PKCS#7 padding, binary.
func Standard() Profile {
	return Profile{
		Name:        "Standard",
		Records:     RecordsMany,
		Layout:      LayoutCSV,
		Charset:     CharsetASCII,
		EOL:         EOLCRLF,
		FinalEOL:    true,
		Holder:      HolderForm{Kind: MallPointID, Chars: CharsAlnum, Min: 1, Max: MaxHolderLen},
		Points:      PointsForm{Digits: 9},
		Transaction: TransactionForm{Time: TimeSeconds, Zone: ZoneJST, Digits: 6, Reset: ResetNever, Scope: ScopeCloud},
		Hash: HashForm{Join: ",", SecretJoin: ",", Place: SecretSuffix, Secret: SecretRaw,
			Fields: HashBare, EOL: EOLNone, Text: HashHexLower},
		Cipher: CipherForm{Mode: CipherCBC, IV: IVPrefixed, Padding: PaddingPKCS7, Key: KeyRaw,
			Outer: OuterBinary, OuterEOL: EOLNone},
		Integrity: IntegrityNone,
		FileName:  FileNameForm{Kind: NameAny},
	}
}

// Published takes the document's words literally: the three fields and the
// secret string are simply put one behind the other (結合) and hashed. Nothing
// then binds the border between holder and points; see [Profile.Lint]. The
// rest is as in [Standard].
func Published() Profile {
	p := Standard()
	p.Name = "Published"
	p.Hash.Join, p.Hash.SecretJoin = "", ""
	return p
}

// JavaDefault is what Java's Cipher.getInstance("AES") gives: ECB with PKCS#5
// padding and no IV. The text is as in [Published].
func JavaDefault() Profile {
	p := Published()
	p.Name = "JavaDefault"
	p.Cipher.Mode, p.Cipher.IV = CipherECB, IVNone
	return p
}

// zeroIV is the fixed IV that is no other than IVZero.
const zeroIV = "00000000000000000000000000000000"

// DotNetDefault is what .NET's Aes.Create() gives, in the way it is mostly
// used: CBC, PKCS#7, and one IV agreed between the two ends, here sixteen
// zeros; set Cipher.FixedIV to the real one. The hash is BitConverter's upper
// case, the charset Japanese Windows' CP932. The text is as in [Published].
func DotNetDefault() Profile {
	p := Published()
	p.Name = "DotNetDefault"
	p.Charset = CharsetCP932
	p.Hash.Text = HashHexUpper
	p.Cipher.IV, p.Cipher.FixedIV = IVFixed, zeroIV
	return p
}

// OpenSSLMD5 is what "openssl enc -aes-128-cbc -md md5" writes for a
// passphrase, as it did by default before version 1.1.0: "Salted__", a salt,
// key and IV by EVP_BytesToKey. Lines end with LF. The text is otherwise as in
// [Published].
func OpenSSLMD5() Profile {
	p := Published()
	p.Name = "OpenSSLMD5"
	p.EOL = EOLLF
	p.Cipher.IV, p.Cipher.Key = IVDerived, KeyEVPMD5
	return p
}

// OpenSSLPBKDF2 is what "openssl enc -aes-128-cbc -pbkdf2" writes for a
// passphrase: "Salted__", a salt, key and IV by PBKDF2 with HMAC-SHA-256 and
// 10,000 rounds. The text is as in [OpenSSLMD5].
func OpenSSLPBKDF2() Profile {
	p := OpenSSLMD5()
	p.Name = "OpenSSLPBKDF2"
	p.Cipher.Key, p.Cipher.Iterations = KeyPBKDF2, 10_000
	return p
}

// MySQL is what MySQL's AES_ENCRYPT(text, key) gives by default: ECB, PKCS#7,
// and a key of any length folded into 16 bytes by XOR. The text is as in
// [Published].
func MySQL() Profile {
	p := JavaDefault()
	p.Name = "MySQL"
	p.Cipher.Key = KeyMySQL
	return p
}

// Sidecar is [Standard] with an HMAC-SHA-256 of the file beside it: the file is
// the same to the byte, and a reader of this profile demands the second file.
func Sidecar() Profile {
	p := Standard()
	p.Name = "Sidecar"
	p.Integrity = IntegritySidecar
	return p
}

// Envelope is the text of [Standard] in an authenticated envelope, AES-128-GCM
// in segments. It is the one to move to when the other end can follow.
func Envelope() Profile {
	p := Standard()
	p.Name = "Envelope"
	p.Cipher.Mode, p.Cipher.IV, p.Cipher.Padding = CipherEnvelope, IVNone, PaddingNone
	return p
}

// Presets lists all presets, [Standard] first.
func Presets() []Profile {
	return []Profile{
		Standard(), Published(), JavaDefault(), DotNetDefault(), OpenSSLMD5(), OpenSSLPBKDF2(), MySQL(),
		Sidecar(), Envelope(),
	}
}

// Preset finds a preset by its Name.
func Preset(name string) (Profile, bool) {
	for _, p := range Presets() {
		if p.Name == name {
			return p, true
		}
	}
	return Profile{}, false
}

// WithMyKeyID gives the profile with MyKey IDs as holders, the variant of
// III.17.
func (p Profile) WithMyKeyID() Profile {
	p.Holder = HolderForm{Kind: MyKeyID, Chars: CharsUpper, Min: 8, Max: 8}
	return p
}
