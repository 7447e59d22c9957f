package registry

import (
	"context"
	"time"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/mykey"
)

// Person is what the registry knows of a holder.
type Person struct {
	ID           mykey.ID
	Certificates []Binding // those in force, one of a device at most
	Services     []mykey.ServiceID
	PPIDs        []mykey.PPID
	Notice       *Notice       // nil without consent
	Payments     []PaymentLink // by campaign, see [Session.Apply]
}

// Service returns the holder's Service ID with an operator, and whether there is
// one.
func (p Person) Service(op mykey.OperatorID) (mykey.ServiceID, bool) {
	for _, s := range p.Services {
		if s.Operator == op {
			return s, true
		}
	}
	return mykey.ServiceID{}, false
}

// Binding is a certificate for user authentication that is bound to a person.
type Binding struct {
	secret.Hidden
	Ref      CertificateRef
	Device   Device
	NotAfter time.Time // the certificate's expiry
	Bound    time.Time // when it was bound
}

// Notice is the consent to the address-change notice (住所変更の自動通知), and the
// sign certificate that the consent lets the registry keep.
type Notice struct {
	secret.Hidden
	Sign        CertificateRef
	NotAfter    time.Time // the sign certificate's expiry
	Explanation string    // which explanation was shown
	Consented   time.Time
	Reported    time.Time // when somebody acted on its revocation, see [Registry.NoticeReported]; zero until then
}

// PaymentLink is the application of a person in a campaign (申込状況).
type PaymentLink struct {
	Campaign string
	Service  string
	ID       string    // the payment service ID
	Terms    string    // which terms of use were accepted; empty for one from before these were kept
	Applied  time.Time // when it was received
	Done     time.Time // when the service had registered it; zero until then
}

// Expected returns when the service will have registered the application: about a
// day after it was received (ご登録完了までに約1日).
func (p PaymentLink) Expected() time.Time { return p.Applied.Add(24 * time.Hour) }

// Payment returns the holder's application in a campaign, and whether there is one.
func (p Person) Payment(campaign string) (PaymentLink, bool) {
	for _, l := range p.Payments {
		if l.Campaign == campaign {
			return l, true
		}
	}
	return PaymentLink{}, false
}

// Find returns the person that has a key: an [mykey.ID], a [mykey.ServiceID] or a [mykey.PPID].
// Errors: [ErrNotFound]; [ErrRetired] for an ID that was somebody's; or
// the database's, wrapped.
func (r *Registry) Find(ctx context.Context, key mykey.Identifier) (Person, error) {
	if key == nil || key.IsZero() {
		return Person{}, ErrNotFound
	}
	var out Person
	err := r.view(ctx, "find person", func(ctx context.Context, tx tx) error {
		person, id, err := tx.find(ctx, key)
		if err != nil {
			return err
		}
		if person == 0 {
			return notFound(ctx, tx, key)
		}
		out, err = readPerson(ctx, tx, person, id)
		return err
	})
	if err != nil {
		return Person{}, err
	}
	return out, nil
}

func notFound(ctx context.Context, tx tx, key mykey.Identifier) error {
	if id, ok := key.(mykey.ID); ok {
		state, err := tx.idState(ctx, id)
		if err != nil {
			return err
		}
		if state == idAbandoned || state == idRevoked {
			return ErrRetired
		}
	}
	return ErrNotFound
}

func readPerson(ctx context.Context, tx tx, person int64, id mykey.ID) (Person, error) {
	out := Person{ID: id}
	certs, err := tx.bindings(ctx, person)
	if err != nil {
		return out, err
	}
	for _, b := range certs {
		out.Certificates = append(out.Certificates, Binding{Ref: refOf(b.stored), Device: b.device, NotAfter: b.notAfter, Bound: b.bound})
	}
	if out.Services, err = tx.services(ctx, person); err != nil {
		return out, err
	}
	if out.PPIDs, err = tx.ppids(ctx, person); err != nil {
		return out, err
	}
	n, ok, err := tx.notice(ctx, person)
	if err != nil {
		return out, err
	}
	if ok {
		out.Notice = &Notice{Sign: refOf(n.stored), NotAfter: n.notAfter, Explanation: n.explanation, Consented: n.at, Reported: n.reported}
	}
	out.Payments, err = tx.payments(ctx, person)
	return out, err
}
