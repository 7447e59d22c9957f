package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/mynakit/mynakit/jpki"
)

// What these tasks print is what the card says. A program that relies on it
// calls the Verified methods with the keys of those who issue cards.

func attributesTask(f *flag.FlagSet) func(context.Context, *session) error {
	pin := pinFlags(f)
	return func(ctx context.Context, s *session) error {
		if err := s.open(ctx); err != nil {
			return err
		}
		if err := pin.verify(ctx, s, jpki.TextPIN); err != nil {
			return err
		}
		a, err := s.card.Attributes(ctx)
		if err != nil {
			return err
		}
		return s.print(struct {
			Name    string `json:"name"`
			Address string `json:"address"`
			Birth   string `json:"birth"`
			Sex     string `json:"sex"`
			cost
		}{a.Name(), a.Address(), a.Birth().String(), a.Sex().String(), s.cost()},
			fmt.Sprintf("name:    %s\naddress: %s\nbirth:   %s\nsex:     %s\n",
				oneLine(a.Name()), oneLine(a.Address()), a.Birth(), a.Sex()))
	}
}

func myNumberTask(f *flag.FlagSet) func(context.Context, *session) error {
	pin := pinFlags(f)
	return func(ctx context.Context, s *session) error {
		if err := s.open(ctx); err != nil {
			return err
		}
		if err := pin.verify(ctx, s, jpki.TextPIN); err != nil {
			return err
		}
		n, err := s.card.MyNumber(ctx)
		if err != nil {
			return err
		}
		return s.print(struct {
			MyNumber string `json:"my_number"`
			cost
		}{n.Digits(), s.cost()}, n.Digits()+"\n")
	}
}

func photoTask(f *flag.FlagSet) func(context.Context, *session) error {
	numberFile := f.String("number-file", "", "read verification number A (the My Number, 12 digits) or B (14 digits: birth date YYMMDD with the Japanese year, expiry YYYY, security code) from the first line of `FILE`; without it, it is asked for")
	// What the other tasks call the file with the secret.
	pinFile := f.String("pin-file", "", "another name of -number-file: the number in `FILE` is the PIN of the photograph")
	out := f.String("out", "", "write the photograph, JPEG 2000, to `FILE`")
	asPNG := f.Bool("png", false, "write PNG and not JPEG 2000; opj_decompress decodes it, which has to be installed (Debian: libopenjp2-tools)")
	lastTry := f.Bool("last-try", false, "verify the number even if one try is left, at the risk of locking it")
	return func(ctx context.Context, s *session) error {
		if *out == "" {
			return &usageError{"a photograph is binary: say -out FILE"}
		}
		if *numberFile != "" && *pinFile != "" {
			return &usageError{"-number-file and -pin-file are the same: say one of them"}
		}
		decoder := ""
		if *asPNG {
			var err error
			if decoder, err = exec.LookPath("opj_decompress"); err != nil {
				return &usageError{"-png wants opj_decompress, which is not installed (Debian: libopenjp2-tools)"}
			}
		}
		if err := s.open(ctx); err != nil {
			return err
		}
		number, err := readSecret(ctx, *numberFile+*pinFile, "verification number A or B")
		if err != nil {
			return err
		}
		defer clear(number)
		kind := jpki.VisualNumberA
		if len(number) > 12 {
			kind = jpki.VisualNumberB
		}
		pin, err := jpki.NewPIN(kind, number)
		if err != nil {
			return err
		}
		defer pin.Clear()
		if err := s.card.Verify(ctx, pin, (&pinInput{lastTry: *lastTry}).options()...); err != nil {
			return err
		}
		face, err := s.card.Face(ctx)
		if err != nil {
			return err
		}
		photo := face.Photo()
		if decoder != "" {
			if photo, err = decodePhoto(ctx, decoder, photo, filepath.Dir(*out)); err != nil {
				return err
			}
		}
		if err := os.WriteFile(*out, photo, 0o600); err != nil {
			return err
		}
		return s.print(struct {
			Bytes int `json:"bytes"`
			cost
		}{len(photo), s.cost()}, fmt.Sprintf("photograph of %d bytes written to %s\n", len(photo), *out))
	}
}

// maxPNG bounds what is taken from the decoder.
const maxPNG = 16 << 20

// decodePhoto returns the photograph as PNG. The decoder reads and writes files
// alone; both lie in a folder of its own beside the result, and are gone
// afterwards.
func decodePhoto(ctx context.Context, decoder string, jp2 []byte, beside string) (png []byte, err error) {
	dir, err := os.MkdirTemp(beside, ".photo-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	in, out := filepath.Join(dir, "photo.jp2"), filepath.Join(dir, "photo.png")
	if err := os.WriteFile(in, jp2, 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := exec.CommandContext(ctx, decoder, "-quiet", "-i", in, "-o", out).Run(); err != nil {
		return nil, fmt.Errorf("opj_decompress does not decode the photograph: %w", err)
	}
	f, err := os.Open(out)
	if err != nil {
		return nil, fmt.Errorf("opj_decompress wrote nothing: %w", err)
	}
	defer f.Close()
	png, err = io.ReadAll(io.LimitReader(f, maxPNG+1))
	if err == nil && len(png) > maxPNG {
		err = errors.New("opj_decompress wrote too much")
	}
	return png, err
}

func commonTask(*flag.FlagSet) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		if err := s.open(ctx); err != nil {
			return err
		}
		d, err := s.card.CommonData(ctx)
		if err != nil {
			return err
		}
		return s.print(struct {
			Manufacturing string `json:"manufacturing_number"`
			Municipality  string `json:"municipality"`
			Expiry        string `json:"expiry"`
			cost
		}{d.ManufacturingNumber(), d.Municipality(), d.Expiry().String(), s.cost()},
			fmt.Sprintf("manufacturing number: %s\nmunicipality:         %s\nexpiry:               %s\n",
				d.ManufacturingNumber(), d.Municipality(), d.Expiry()))
	}
}

func passwdTask(f *flag.FlagSet) func(context.Context, *session) error {
	which := f.String("pin", "", "`which` PIN: auth, sign, text, juki or common")
	pin := pinFlags(f)
	newFile := f.String("new-pin-file", "", "read the new PIN from the first line of `FILE`; without it, it is asked for twice")
	return func(ctx context.Context, s *session) error {
		kind, ok := map[string]jpki.PINKind{"auth": jpki.AuthPIN, "sign": jpki.SignPIN, "text": jpki.TextPIN,
			"juki": jpki.JukiPIN, "common": jpki.CommonPIN}[*which]
		if !ok {
			return &usageError{fmt.Sprintf("no PIN %q: -pin auth, sign, text, juki or common", *which)}
		}
		if err := s.open(ctx); err != nil {
			return err
		}
		old, err := readPIN(ctx, pin.file, kind, "old "+kind.String())
		if err != nil {
			return err
		}
		defer old.Clear()
		to, err := newPIN(ctx, *newFile, kind)
		if err != nil {
			return err
		}
		defer to.Clear()
		if err := s.card.ChangePIN(ctx, old, to, pin.options()...); err != nil {
			return err
		}
		return s.print(struct {
			PIN     string `json:"pin"`
			Changed bool   `json:"changed"`
			cost
		}{kind.String(), true, s.cost()}, kind.String()+" is changed\n")
	}
}

// newPIN asks twice, for a slip of the finger would lock the holder out.
func newPIN(ctx context.Context, file string, kind jpki.PINKind) (jpki.PIN, error) {
	first, err := readSecret(ctx, file, "new "+kind.String())
	if err != nil {
		return jpki.PIN{}, err
	}
	defer clear(first)
	if file == "" {
		again, err := readSecret(ctx, "", "new "+kind.String()+" again")
		if err != nil {
			return jpki.PIN{}, err
		}
		defer clear(again)
		if string(first) != string(again) {
			return jpki.PIN{}, &usageError{"the two new PINs differ; nothing was changed"}
		}
	}
	return jpki.NewPIN(kind, first)
}
