package control

import (
	"errors"
	"fmt"
	"os"

	"github.com/mynakit/mynakit/simcard"
)

// snapshot returns the state of the slot's card.
func (s *Slot) snapshot(pins simcard.State) *saved {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := &saved{Vcard: savedVersion, Made: s.made, Setup: s.setup, PINs: pins}
	kept.Revoked = s.revoked
	return kept
}

// save writes the state file if the state is another than what is in it, or in
// any case. The file is replaced whole: a kill leaves the old one or the new.
func (s *Slot) save(always bool) error {
	if s.cfg.State == "" {
		return nil
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	pins := s.card.Load().State()
	if !always && pins == s.kept {
		return nil
	}
	if err := replaceFile(s.cfg.State, s.snapshot(pins).text()); err != nil {
		return fmt.Errorf("control: save the state: %w", err)
	}
	s.kept = pins
	return nil
}

// replaceFile writes a file beside the old one and puts it in its place.
func replaceFile(name string, content []byte) error {
	fresh := name + ".new" // one name: what a kill leaves, the next save replaces
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		return os.Rename(fresh, name)
	}
	return errors.Join(err, os.Remove(fresh))
}
