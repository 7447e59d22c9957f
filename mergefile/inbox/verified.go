package inbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// record is what Quarantine holds of the question whether the keys are right.
// It lies there because whoever puts Quarantine aside begins to count anew.
type record struct {
	Keys     string // [Config.Keys]
	Verified bool   // a file was verified under them
	Refused  int    // files that were not, before one was
}

const recordFile = ".inbox"

// maxUnverified is how many files are refused before the keys are in doubt.
const maxUnverified = 2

// readRecord returns what is known of the present keys. A record that cannot be
// read as one says nothing.
func (b *Inbox) readRecord() (r record, err error) {
	text, err := b.quarantine.ReadFile(recordFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return record{}, err
	}
	if json.Unmarshal(text, &r) != nil || r.Keys != b.cfg.Keys {
		return record{Keys: b.cfg.Keys}, nil
	}
	return r, nil
}

func (b *Inbox) writeRecord(r record) {
	text, err := json.Marshal(r)
	if err == nil {
		err = b.quarantine.WriteFile(recordFile, text, 0o600)
	}
	if err != nil {
		b.tell(Event{What: Trouble, Err: fmt.Errorf("inbox: %w", err)})
	}
}

func (b *Inbox) everVerified() (bool, error) {
	r, err := b.readRecord()
	return r.Verified, err
}

// sawVerified notes that a file was verified.
func (b *Inbox) sawVerified() {
	if !b.verified {
		b.verified = true
		b.writeRecord(record{Keys: b.cfg.Keys, Verified: true})
	}
}

// doubtful counts a file that was not verified, and reports whether it is the
// third and none ever was. Another inbox may have verified one meanwhile.
func (b *Inbox) doubtful() bool {
	if b.verified {
		return false
	}
	r, err := b.readRecord()
	switch {
	case err != nil:
		b.tell(Event{What: Trouble, Err: fmt.Errorf("inbox: %w", err)})
	case r.Verified:
		b.verified = true
		return false
	case r.Refused >= maxUnverified:
		return true
	}
	r.Refused++
	b.writeRecord(r)
	return false
}
