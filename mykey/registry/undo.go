package registry

import (
	"context"
	"encoding/json"

	"github.com/mynakit/mynakit/internal/secret"
	"github.com/mynakit/mynakit/mykey"
)

// Undone is what [Registry.UndoRecovery] did, and what it could not do.
type Undone struct {
	// ID is the MyKey ID that the recovery was for. It is its holder's again.
	ID mykey.ID
	// From is the ID that had been joined with it and goes on without it. It is
	// zero if the recovery joined none.
	From mykey.ID
	// Lost are the customer IDs and PPIDs of the holder's that the join gave up
	// and that are somebody else's by now, so that the holder has them no more.
	Lost []mykey.Identifier
}

// UndoRecovery takes a recovery back that was done. The card that got the
// holder's ID loses it, and the certificate that it replaced is bound again. If
// the recovery joined two MyKey IDs, each is a person's own again: certificates,
// Service IDs, PPIDs, consent and applications are whose they were, and
// [Config.Changed] is told with [mykey.ChangeParted]. What was registered
// meanwhile stays with the new card's ID. who is kept with it. Undoing twice
// changes nothing.
//
// Points that were not spent are the holder's as before; those that were spent
// are for people to settle, as is what the result names as lost.
//
// UndoRecovery returns [ErrNotFound] if no recovery of this number was done;
// [ErrJoined] if the ID was revoked or joined with a further one since, or if it
// was joined before this package kept what is needed to undo it; [ErrIDReplaced]
// if another certificate was bound since, of a phone too, unless two IDs were
// joined; a [*mykey.FormError] if who is empty; or the database's error, wrapped.
func (r *Registry) UndoRecovery(ctx context.Context, number int64, who string) (Undone, error) {
	if who == "" {
		return Undone{}, missing("clerk")
	}
	var out Undone
	err := r.update(ctx, "undo a recovery", func(ctx context.Context, tx tx) error {
		out = Undone{}
		rec, person, c, err := tx.recovery(ctx, number)
		switch {
		case err != nil:
			return err
		case rec.State == RecoveryUndone:
			out.ID, _, err = tx.personID(ctx, person)
			return err
		case rec.State != RecoveryDone:
			return ErrNotFound
		}
		kept, former, joined, err := tx.undo(ctx, number)
		if err != nil {
			return err
		}
		if joined {
			out, err = r.part(ctx, tx, person, kept, former.Reveal())
		} else {
			out.ID, err = tx.takeBack(ctx, person, c)
		}
		if err != nil {
			return err
		}
		return tx.endRecovery(ctx, number, RecoveryUndone, who)
	})
	if err != nil {
		return Undone{}, err
	}
	return out, nil
}

// takeBack takes the holder's ID from the card that got it, and returns the ID.
func (t tx) takeBack(ctx context.Context, person int64, c secret.Box[keyed]) (mykey.ID, error) {
	id, ok, err := t.lockPerson(ctx, person)
	if err != nil {
		return id, err
	} else if !ok {
		return id, ErrJoined
	}
	b, ok, err := t.binding(ctx, c.Reveal().key)
	switch {
	case err != nil:
		return id, err
	case !ok || b.person != person || !b.inForce():
		return id, ErrIDReplaced
	}
	held, err := t.bindings(ctx, person)
	if err != nil {
		return id, err
	}
	for _, h := range held {
		if h.bound.After(b.bound) {
			return id, ErrIDReplaced // whoever has the new card has bound a phone, say
		}
	}
	return id, t.restoreBinding(ctx, b)
}

// restoreBinding ends a binding and puts the last one before it of the same
// person and device in force. One that came later by a join stays as it is: it
// may be of whoever had the new card.
func (t tx) restoreBinding(ctx context.Context, b bindingRow) error {
	if _, err := t.exec(ctx, "DELETE FROM {certificate} WHERE holder = ?", b.stored); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE {certificate} SET superseded = NULL WHERE holder = (
		SELECT holder FROM {certificate} WHERE person = ? AND device = ? AND superseded <= ?
		ORDER BY superseded DESC, bound DESC LIMIT 1)`, b.person, int64(b.device), millis(b.bound))
	return err
}

// keepUndo keeps what the person gone has, before the recovery joins it to kept.
func (t tx) keepUndo(ctx context.Context, recovery, kept, gone int64) error {
	page, _, err := t.exportPersons(ctx, gone-1, 1)
	if err != nil {
		return err
	}
	former, err := json.Marshal(page[0])
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO {undo} (recovery, kept, former) VALUES (?, ?, ?)", recovery, kept, string(former))
	return err
}

// undo returns the person to whom a recovery joined the holder, and what the
// holder had, and deletes that.
func (t tx) undo(ctx context.Context, recovery int64) (kept int64, former secret.Box[exportPerson], found bool, err error) {
	var text string
	found, err = t.one(ctx, "DELETE FROM {undo} WHERE recovery = ? RETURNING kept, former", []any{recovery}, personNumber(&kept), &text)
	if err != nil || !found {
		return 0, former, false, err
	}
	var p exportPerson
	if json.Unmarshal([]byte(text), &p) != nil || p.ID.IsZero() {
		return 0, former, false, &damage{"recovery", "record of the holder"}
	}
	return kept, secret.New(p), true, nil
}

// part gives the person what a join took, and leaves the rest with kept.
func (r *Registry) part(ctx context.Context, tx tx, person, kept int64, had exportPerson) (Undone, error) {
	from, ok, err := tx.lockPerson(ctx, kept)
	switch {
	case err != nil:
		return Undone{}, err
	case !ok:
		return Undone{}, ErrJoined
	}
	now, err := tx.now(ctx)
	if err != nil {
		return Undone{}, err
	}
	out := Undone{ID: had.ID, From: from}
	if ok, err := tx.exec(ctx, "UPDATE {mykey_id} SET state = ?, successor = NULL, at = ? WHERE id = ? AND state = ?",
		int64(idActive), millis(now), had.ID, int64(idAbandoned)); err != nil {
		return Undone{}, err
	} else if !ok {
		return Undone{}, &damage{fieldID, "state"}
	}
	// Under its number the person's recoveries are found.
	if _, err := tx.exec(ctx, "INSERT INTO {person} (person, mykey_id, created) VALUES (?, ?, ?)", person, had.ID, had.Created); err != nil {
		return Undone{}, err
	}
	for _, c := range had.Certificates {
		query, args := "UPDATE {certificate} SET person = ?, superseded = ? WHERE person = ? AND serial = ? AND device = ?",
			[]any{person, c.Superseded, kept, c.Serial, int64(c.Device)}
		if c.Issuer != "" {
			query, args = query+" AND issuer = ?", append(args, c.Issuer)
		}
		if _, err := tx.exec(ctx, query, args...); err != nil {
			return Undone{}, err
		}
	}
	if err := tx.giveBack(ctx, person, kept, had, &out); err != nil {
		return Undone{}, err
	}
	return out, r.changed(ctx, tx, mykey.Change{Kind: mykey.ChangeParted, Old: had.ID, New: from, At: now})
}

// giveBack moves what was registered for the person from kept, or registers it
// again if it was given up in the join. What is somebody else's by now goes to
// out.Lost.
func (t tx) giveBack(ctx context.Context, person, kept int64, had exportPerson, out *Undone) error {
	back := func(move, add string, args []any) (bool, error) {
		moved, err := t.exec(ctx, move, append([]any{person, kept}, args[:2]...)...)
		if err != nil || moved {
			return true, err
		}
		return t.exec(ctx, add+" ON CONFLICT DO NOTHING", append([]any{person}, args...)...)
	}
	for _, s := range had.Services {
		ok, err := back("UPDATE {service} SET person = ? WHERE person = ? AND operator = ? AND customer = ?",
			"INSERT INTO {service} (person, operator, customer, registered) VALUES (?, ?, ?, ?)", []any{s.Operator, s.Customer, s.Registered})
		if err != nil {
			return err
		}
		if !ok {
			out.Lost = append(out.Lost, mykey.ServiceID{Operator: s.Operator, Customer: s.Customer})
		}
	}
	for _, s := range had.PPIDs {
		ppid, err := mykey.ParsePPID(s.Operator, s.Value)
		if err != nil {
			return damaged(err)
		}
		ok, err := back("UPDATE {ppid} SET person = ? WHERE person = ? AND operator = ? AND ppid = ?",
			"INSERT INTO {ppid} (person, operator, ppid, registered) VALUES (?, ?, ?, ?)", []any{s.Operator, ppid.Text(), s.Registered})
		if err != nil {
			return err
		}
		if !ok {
			out.Lost = append(out.Lost, ppid)
		}
	}
	if n := had.Notice; n != nil {
		// Whoever has the sign certificate by now has shown it.
		if moved, err := t.exec(ctx, "UPDATE {notice} SET person = ? WHERE person = ? AND holder = ?", person, kept, n.Key); err != nil {
			return err
		} else if !moved {
			if _, err := t.exec(ctx, `INSERT INTO {notice} (person, holder, not_after, explanation, consented, reported)
				VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, person, n.Key, n.NotAfter, n.Explanation, n.Consented, n.Reported); err != nil {
				return err
			}
		}
	}
	for _, c := range had.Choices {
		// An application is never deleted: one that was given up is nobody's.
		if _, err := t.exec(ctx, `UPDATE {choice} SET person = ? WHERE campaign = ? AND service = ? AND payment_id = ?
			AND (person = ? OR person IS NULL)`, person, c.Campaign, c.Service, c.ID, kept); err != nil {
			return err
		}
	}
	return nil
}
