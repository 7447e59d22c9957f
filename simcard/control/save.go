package control

import (
	"fmt"
	"os"
	"path/filepath"

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
// any case. The file is replaced whole, and is on the disk when save returns.
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
func replaceFile(name string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	return err
}
