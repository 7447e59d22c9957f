package ticket

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"github.com/mynakit/mynakit/internal/secret"
)

// An Op is an operation on tickets.
type Op string

const (
	OpIssue   Op = "issue"   // 発行
	OpReprint Op = "reprint" // 再発行 with the same number
	OpReplace Op = "replace" // 再発行 with a new number
	OpCancel  Op = "cancel"  // 取消
	OpInspect Op = "inspect" // ポイント券情報読取
	OpRedeem  Op = "redeem"  // 消込
)

// A Reason is why a code was refused at a counter. The empty Reason means that
// it was accepted.
type Reason string

const (
	ReasonMalformed Reason = "malformed"             // neither a number nor a QR code of ours
	ReasonForged    Reason = "forged"                // a QR code whose MAC is wrong
	ReasonScope     Reason = "another scope"         // a good QR code of another association
	ReasonThrottled Reason = "throttled"             // too many wrong numbers lately; not looked up
	ReasonUnknown   Reason = "unknown"               // no ticket of this number in the terminal's scope
	ReasonLapsed    Reason = "lapsed"                // its last day, and grace if claimed, is over
	ReasonRedeemed  Reason = "redeemed"              // used up before, here or elsewhere
	ReasonCancelled Reason = "cancelled"             // taken back by the issuer
	ReasonReplaced  Reason = "replaced"              // void since a new number was given out for it
	ReasonClock     Reason = "before issue"          // the clock of the program is behind
	ReasonAccepted  Reason = "impossible acceptance" // Accepted is before issue, after the last day or yet to come
)

// An Event is one answered operation, for the issuer's audit log. It never
// holds a ticket's number. Tail is the last two digits. Ref is a keyed hash that
// the events of one ticket share, if [Config].AuditKey is set.
type Event struct {
	Time     time.Time
	Op       Op
	Terminal Terminal
	Reason   Reason // why the code was refused, or ""
	Tail     string // "32", or "" if the code has no number
	Ref      string // 16 hexadecimal digits, or ""
	Points   int64  // of a ticket that was found, otherwise 0
	Repeated bool   // an attempt that was repeated and got the same answer

	// Count is the number of tickets in an issue, otherwise 0.
	Count int
	// Filling is the number of ticket numbers in use in the scope. It is set
	// if an issue brought that number past a multiple of [Policy].WarnAt, and
	// otherwise 0.
	Filling int64
}

// note calls the audit hook.
func (b *Book) note(ctx context.Context, e Event, n Number) {
	if b.cfg.Audit == nil {
		return
	}
	now := time.Now
	if b.cfg.Clock != nil {
		now = b.cfg.Clock
	}
	e.Time = instantOf(now().UnixMicro())
	if !n.IsZero() {
		e.Tail = n.String()[len(maskHead):]
		e.Ref = b.auditRef(e.Terminal.Scope, n)
	}
	b.cfg.Audit(ctx, e)
}

// An AuditKey is a secret key for [Event].Ref. It shows as [redacted]. The zero
// AuditKey represents no key.
type AuditKey struct {
	secret.Hidden
	secret secret.Box[[]byte]
}

// NewAuditKey returns a key of at least [MinSecret] random bytes, which it
// copies. Otherwise it returns [ErrSecret].
func NewAuditKey(bytes []byte) (AuditKey, error) {
	if len(bytes) < MinSecret {
		return AuditKey{}, ErrSecret
	}
	return AuditKey{secret: secret.New(append([]byte(nil), bytes...))}, nil
}

// IsZero reports whether k is the zero AuditKey.
func (k AuditKey) IsZero() bool { return k.secret.IsZero() }

// auditRef returns the keyed hash of a number.
func (b *Book) auditRef(scope Scope, n Number) string {
	if b.cfg.AuditKey.IsZero() {
		return ""
	}
	h := hmac.New(sha256.New, b.cfg.AuditKey.secret.Reveal())
	_, _ = io.WriteString(h, "mynakit point ticket audit\x00"+string(scope)+"\x00"+n.Digits())
	return hex.EncodeToString(h.Sum(nil)[:8])
}
