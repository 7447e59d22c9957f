package main

import (
	"context"
	"flag"
	"fmt"
	"os"

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
	lastTry := f.Bool("last-try", false, "verify the number even if one try is left, at the risk of locking it")
	return func(ctx context.Context, s *session) error {
		if *out == "" {
			return &usageError{"a photograph is binary: say -out FILE"}
		}
		if *numberFile != "" && *pinFile != "" {
			return &usageError{"-number-file and -pin-file are the same: say one of them"}
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
		if err := os.WriteFile(*out, photo, 0o600); err != nil {
			return err
		}
		return s.print(struct {
			Bytes int `json:"bytes"`
			cost
		}{len(photo), s.cost()}, fmt.Sprintf("photograph of %d bytes written to %s\n", len(photo), *out))
	}
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
