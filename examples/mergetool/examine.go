package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mynakit/mynakit/mergefile"
	"github.com/mynakit/mynakit/mergefile/testkit"
)

func inspect(f *flag.FlagSet) func(context.Context, []string) error {
	var s shared
	s.add(f)
	diagnose := f.Bool("diagnose", false, "say what is wrong with an invalid file; for developers")
	return func(ctx context.Context, args []string) error {
		if len(args) != 1 {
			return errUsage
		}
		p, k, err := s.load()
		if err != nil {
			return err
		}
		if *diagnose {
			data, err := readAll(ctx, args[0])
			if err != nil {
				return err
			}
			opts, err := readerOptions(args[0], p)
			if err != nil {
				return err
			}
			if err := mergefile.DiagnoseForDeveloper(ctx, data, p, k, opts); err != nil {
				return err
			}
		}
		r, _, finish, err := openFile(ctx, args[0], p, k, "inspecting")
		if err != nil {
			return err
		}
		defer finish()
		var points uint64
		var first, last mergefile.Transaction
		n := 0
		for rec, err := range r.Records() {
			if err != nil {
				return err
			}
			if n == 0 || rec.Transaction.Compare(first) < 0 {
				first = rec.Transaction
			}
			if n == 0 || rec.Transaction.Compare(last) > 0 {
				last = rec.Transaction
			}
			points += rec.Points
			n++
		}
		fmt.Printf("valid\nprofile  %s\nkey      %s\nrecords  %d\npoints   %d\nfirst    %v\nlast     %v\n", p.Name, r.KeyID(), r.Len(), points, first, last)
		return nil
	}
}

func lint(f *flag.FlagSet) func(context.Context, []string) error {
	profile := f.String("profile", "Standard", "a preset's `name`, or a JSON file")
	secretFile := f.String("secret-file", "", "the `file` that holds the hash secret, to judge it too")
	asJSON := f.Bool("json", false, "print the profile as JSON instead")
	return func(_ context.Context, args []string) error {
		if len(args) != 0 {
			return errUsage
		}
		p, err := loadProfile(*profile)
		if err != nil {
			return err
		}
		if *asJSON {
			text, err := json.MarshalIndent(p, "", "  ")
			if err == nil {
				fmt.Println(string(text))
			}
			return err
		}
		var keys []mergefile.Key
		if *secretFile != "" {
			secret, err := readLine(*secretFile)
			if err != nil {
				return err
			}
			// Lint looks at the secret alone; the key here is none.
			k, err := mergefile.NewKey("", make([]byte, 16), secret)
			if err != nil {
				return err
			}
			keys = append(keys, k)
		}
		danger := false
		for _, finding := range p.Lint(keys...) {
			fmt.Println(finding)
			danger = danger || finding.Severity == mergefile.SeverityDanger
		}
		if danger {
			return errors.New("the profile is dangerous as it stands")
		}
		return nil
	}
}

func probe(f *flag.FlagSet) func(context.Context, []string) error {
	keyFile := f.String("key-file", "", "the `file` that holds the key, in whatever text it was handed over")
	secretFile := f.String("secret-file", "", "the `file` that holds the hash secret")
	iv := f.String("iv", "", "the IV that was handed over, 32 hexadecimal `digits`")
	keyID := f.String("key-id", "k1", "the key's identifier, for envelopes")
	out := f.String("out", "", "write the likeliest profile to this `file`, as JSON")
	return func(ctx context.Context, args []string) error {
		if len(args) != 1 || *keyFile == "" || *secretFile == "" {
			return errUsage
		}
		file, err := readAll(ctx, args[0])
		if err != nil {
			return err
		}
		key, err := os.ReadFile(*keyFile)
		if err != nil {
			return err
		}
		secret, err := os.ReadFile(*secretFile)
		if err != nil {
			return err
		}
		opts := &mergefile.ProbeOptions{Name: filepath.Base(args[0]), IV: *iv, KeyID: *keyID}
		bar := newSteps()
		opts.Progress = func(done, total int) { bar.at(time.Now(), "probing", done, total) }
		found, err := mergefile.ProbeForDeveloper(ctx, file, key, secret, opts)
		bar.done()
		if err != nil {
			return err
		}
		for i, r := range found {
			switch {
			case r.Distance == 0:
				fmt.Printf("%d. %s itself, %d records\n", i+1, r.Nearest, r.Records)
			default:
				fmt.Printf("%d. like %s but for %d choices, %d records\n", i+1, r.Nearest, r.Distance, r.Records)
			}
			text, err := json.MarshalIndent(r.Profile, "   ", "  ")
			if err != nil {
				return err
			}
			fmt.Printf("   %s\n", text)
		}
		if *out == "" {
			return nil
		}
		text, err := json.MarshalIndent(found[0].Profile, "", "  ")
		if err != nil {
			return err
		}
		return writeWhole(ctx, *out, append(text, '\n'))
	}
}

func vectors(f *flag.FlagSet) func(context.Context, []string) error {
	out := f.String("out", "", "write the vectors into this `directory` instead of running them")
	return func(ctx context.Context, args []string) error {
		if len(args) != 0 {
			return errUsage
		}
		if *out != "" {
			sub, err := fs.Sub(testkit.FS, "vectors")
			if err != nil {
				return err
			}
			return os.CopyFS(*out, sub)
		}
		all, err := testkit.Vectors()
		if err != nil {
			return err
		}
		wrong := 0
		for _, v := range all {
			var records []mergefile.Record
			r, err := mergefile.NewReader(ctx, bytes.NewReader(v.File), v.Profile, v.Key, v.Options())
			if err == nil {
				for rec := range r.Records() {
					records = append(records, rec)
				}
				r.Close()
			}
			if err := v.Check(records, err); err != nil {
				fmt.Println(err)
				wrong++
			}
		}
		fmt.Printf("%d vectors, %d wrong\n", len(all), wrong)
		if wrong > 0 {
			return errors.New("vectors failed")
		}
		return nil
	}
}

func readAll(ctx context.Context, name string) ([]byte, error) {
	in, err := openInput(ctx, name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, mergefile.DefaultMaxSize+1))
	if err == nil && len(data) > mergefile.DefaultMaxSize {
		err = errors.New("the file is too large")
	}
	return data, err
}
