package jpki

import (
	"context"
	"fmt"
	"strings"
)

// A Kind is what carries the JPKI application.
type Kind uint8

// The kinds of token, by their labels.
const (
	KindUnknown Kind = iota // a label that this package does not know
	KindPlastic             // the card (マイナンバーカード), label JPKIAPICCTOKEN2
	KindAndroid             // an Android phone, label JPKIAPGPSETOKEN
	KindIPhone              // an iPhone, label JPKIAPIOSTOKEN
	KindJuki                // the former Basic Resident Register Card (住民基本台帳カード), label JPKIAPICCTOKEN; its certificates have all lapsed
)

// String returns a word for the kind, such as "plastic".
func (k Kind) String() string {
	switch k {
	case KindUnknown:
		return "unknown"
	case KindPlastic:
		return "plastic"
	case KindAndroid:
		return "android"
	case KindIPhone:
		return "iphone"
	case KindJuki:
		return "juki"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// tokenInfo is a PKCS #11 CK_TOKEN_INFO; its label is the first 32 bytes,
// padded with spaces.
const (
	tokenInfo  file = 0x06
	tokenLabel      = 32
	paddingSet      = " \x00"
)

// Kind reads the label of the token. It takes one exchange and no PIN. For a label
// that this package does not know it returns [KindUnknown] and no error:
// certificates and keys work with new labels as well.
//
// Phones have only the JPKI application, and the certificate for user
// authentication can be read only after the auth PIN was verified.
func (c *Card) Kind(ctx context.Context) (Kind, error) {
	kind, err := c.kind(ctx)
	if err != nil {
		return KindUnknown, &StepError{"read token information", err}
	}
	return kind, nil
}

func (c *Card) kind(ctx context.Context) (Kind, error) {
	if err := c.begin(ctx); err != nil {
		return KindUnknown, err
	}
	defer c.end()
	b, err := c.readBinary(ctx, tokenInfo, 0, tokenLabel)
	if err != nil {
		return KindUnknown, err
	}
	if len(b) != tokenLabel {
		return KindUnknown, ErrReply // the plastic card's label begins with the old one's
	}
	switch strings.Trim(string(b), paddingSet) {
	case "JPKIAPICCTOKEN2":
		return KindPlastic, nil
	case "JPKIAPGPSETOKEN":
		return KindAndroid, nil
	case "JPKIAPIOSTOKEN":
		return KindIPhone, nil
	case "JPKIAPICCTOKEN":
		return KindJuki, nil
	}
	return KindUnknown, nil
}
