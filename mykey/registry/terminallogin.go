package registry

import (
	"context"
	"database/sql"
	"errors"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"github.com/mynakit/mynakit/mykey"
	"github.com/mynakit/mynakit/mykey/terminal"
)

// A TerminalLogin is what a terminal says of itself. The program has it from the
// terminal, over a connection that nobody else reads.
type TerminalLogin struct {
	ID          string       // 端末ID
	Password    mykey.Secret // 端末パスワード
	Fingerprint terminal.Fingerprint
}

// Register registers a terminal (システム設計書 I.4, III.13), which is done once: from
// here on it is the device of this fingerprint. operator is the manager's choice
// from the list, of kind (ア) alone; the zero OperatorID confirms that of the issue.
// To register the same again changes nothing and is no error.
//
// Register returns a [*mykey.FormError] for a wrong contact or fingerprint;
// [mykey.ErrUnknownOperator], wrapped; [ErrTerminal] as [Terminals.Authenticate]
// does; [ErrTerminalUsed] if it was registered otherwise; a [*mykey.FormError] for
// an operator that is missing, not of this kind or another than was issued; or the
// database's error, wrapped.
func (b *Terminals) Register(ctx context.Context, l TerminalLogin, contact mykey.Contact, operator mykey.OperatorID) (Terminal, error) {
	if err := contact.Check(); err != nil {
		return Terminal{}, err
	}
	if err := b.checkOperator(operator); err != nil {
		return Terminal{}, err
	}
	return b.login(ctx, "register terminal", l, func(e TerminalEntry) TerminalRefusal {
		if e.State == TerminalStopped {
			return RefusedState
		}
		return ""
	}, func(ctx context.Context, tx tx, e *TerminalEntry) error {
		if e.State == TerminalRegistered {
			if !e.Fingerprint.Equal(l.Fingerprint) || e.Contact != contact || !operator.IsZero() && e.Operator != operator {
				return ErrTerminalUsed
			}
			return nil
		}
		if operator.IsZero() {
			operator = e.Operator
		}
		service := e.Kind&terminal.Service != 0
		switch {
		case service && operator.IsZero():
			return missing(fieldOperator)
		case !service && !operator.IsZero(), !e.Operator.IsZero() && operator != e.Operator:
			return &mykey.FormError{Field: fieldOperator, Rule: mykey.RuleNotAllowed, Pos: -1}
		}
		e.Operator = operator
		now, err := tx.now(ctx)
		if err != nil {
			return err
		}
		_, err = tx.exec(ctx, "UPDATE {terminal} SET state = 2, registered = ?, fingerprint = ?, contact = ?, operator = ? WHERE id = ?",
			millis(now), l.Fingerprint, contactText(contact), operator, e.ID)
		return err
	})
}

// Authenticate returns the terminal that logs in with its ID, its password and the
// fingerprint that it was registered with (端末認証, システム設計書 II.9①, II.11①). Every
// login that is refused returns [ErrTerminal]. Whether the terminal may do what it
// wants to is for [Terminal].Kind to say.
//
// A login costs a comparison by bcrypt, and two transactions on the disk. Each is
// counted before the password is looked at, and uncounted if it was good.
// Authenticate returns a [*mykey.FormError] without a fingerprint, ErrTerminal, or
// the database's error, wrapped.
func (b *Terminals) Authenticate(ctx context.Context, l TerminalLogin) (Terminal, error) {
	return b.login(ctx, "authenticate terminal", l, func(e TerminalEntry) TerminalRefusal {
		switch {
		case e.State != TerminalRegistered:
			return RefusedState
		case !e.Fingerprint.Equal(l.Fingerprint):
			return RefusedFingerprint
		}
		return ""
	}, func(context.Context, tx, *TerminalEntry) error { return nil })
}

// nobody is the hash of a password that was drawn and thrown away, so that an
// unknown ID takes as long as a known one.
const nobody = "$2a$10$1taqKPiNK1ZXgOFDMtftWOSfbUJuyuSBepLLvqSJLgNJe9fQapsQa"

// login counts the login, compares the password, asks whether the terminal is to be
// refused, and calls then with the terminal locked. If then returns an answer of
// the package's, it has written nothing.
func (b *Terminals) login(ctx context.Context, op string, l TerminalLogin, refuse func(TerminalEntry) TerminalRefusal,
	then func(ctx context.Context, tx tx, e *TerminalEntry) error,
) (Terminal, error) {
	if l.Fingerprint.IsZero() {
		return Terminal{}, missing("terminal fingerprint")
	}
	deny := func(why TerminalRefusal) (Terminal, error) {
		if b.cfg.Refused != nil {
			id := l.ID
			if mykey.CheckTerminalID(id) != nil {
				id = ""
			}
			b.cfg.Refused(ctx, id, why)
		}
		return Terminal{}, ErrTerminal
	}
	if mykey.CheckTerminalID(l.ID) != nil {
		return deny(RefusedUnknown)
	}
	var t try
	var e TerminalEntry
	var hash string
	err := b.update(ctx, op, func(ctx context.Context, tx tx) (err error) {
		if e, hash, err = tx.terminal(ctx, l.ID, ""); err != nil {
			return err
		}
		t.subject = "terminal " + l.ID
		switch {
		case e.ID == "":
			t.subject, hash = "unknown", nobody
		case !e.Fingerprint.IsZero() && e.Fingerprint.Equal(l.Fingerprint):
			t.subject += " itself"
		}
		return b.count(ctx, tx, &t)
	})
	switch {
	case err != nil:
		return Terminal{}, err
	case !t.counted:
		return deny(RefusedTries)
	}
	password := l.Password.Reveal()
	if len(password) > 72 || !utf8.ValidString(password) { // bcrypt reads 72 bytes
		password = ""
	}
	wrong := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	switch {
	case e.ID == "":
		return deny(RefusedUnknown)
	case errors.Is(wrong, bcrypt.ErrMismatchedHashAndPassword):
		return deny(RefusedPassword)
	case wrong != nil:
		return Terminal{}, terminals.Told(op, &damage{"password of a terminal", "form"})
	}
	var why TerminalRefusal
	var told error // of a login that was good, and asked for what cannot be
	err = b.update(ctx, op, func(ctx context.Context, tx tx) error {
		now, current, err := tx.terminal(ctx, l.ID, " {:forupdate}")
		if err != nil {
			return err
		}
		if why = refuse(now); current != hash { // another password was issued meanwhile
			why = RefusedPassword
		}
		if why != "" {
			return nil
		}
		if told = then(ctx, tx, &now); told != nil && refused(told) == nil {
			return told
		}
		e = now
		_, err = tx.exec(ctx, "UPDATE {try} SET n = n - 1 WHERE subject = ? AND since = ? AND n > 0", t.subject, t.since)
		return err
	})
	switch {
	case err != nil:
		return Terminal{}, err
	case why != "":
		return deny(why)
	case told != nil:
		return Terminal{}, told
	}
	return e.Terminal, nil
}

// A try is a login that is counted.
type try struct {
	subject string
	since   int64 // when its window began
	counted bool  // false if there were too many
}

// count counts a login before its password is looked at, unless there were too
// many in the window. A clock that was put back begins another window.
func (b *Terminals) count(ctx context.Context, tx tx, t *try) error {
	at, err := tx.now(ctx)
	if err != nil {
		return err
	}
	now, over := millis(at), millis(at.Add(-b.cfg.Window))
	err = tx.q.QueryRow(ctx, `INSERT INTO {try} (subject, since, n) VALUES (?, ?, 1) ON CONFLICT (subject) DO UPDATE SET
			n = CASE WHEN {try}.since > excluded.since OR {try}.since <= ? THEN 1 ELSE {try}.n + 1 END,
			since = CASE WHEN {try}.since > excluded.since OR {try}.since <= ? THEN excluded.since ELSE {try}.since END
		WHERE {try}.since > excluded.since OR {try}.since <= ? OR {try}.n < ? RETURNING since`,
		t.subject, now, over, over, over, b.cfg.Tries).Scan(&t.since)
	if errors.Is(err, sql.ErrNoRows) {
		t.counted = false
		return nil
	}
	t.counted = err == nil
	return err
}
