package mergefile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/mynakit/mynakit/mergefile"
)

// exampleKey stands for keys from a safe place.
func exampleKey() mergefile.Key {
	k, err := mergefile.NewKey("2026-04", []byte("0123456789abcdef"), []byte("8f1d0c3ab94e7725d6a1b2c3"))
	if err != nil {
		log.Fatal(err)
	}
	return k
}

// exampleFile is a merge file of two records.
func exampleFile() []byte {
	var file bytes.Buffer
	w, err := mergefile.NewWriter(context.Background(), &file, mergefile.Standard(), exampleKey(), nil)
	if err != nil {
		log.Fatal(err)
	}
	at := time.Date(2017, 5, 12, 9, 30, 0, 0, time.FixedZone("JST", 9*60*60))
	for i, id := range []string{"520625", "180000000011"} {
		h, err := mergefile.NewMallHolder(id)
		if err != nil {
			log.Fatal(err)
		}
		tx, err := mergefile.NewTransaction(at, uint32(i+1))
		if err != nil {
			log.Fatal(err)
		}
		if err := w.Write(mergefile.Record{Holder: h, Points: 100, Transaction: tx}); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	return file.Bytes()
}

// A file is verified whole before its first record is seen.
func ExampleNewReader() {
	r, err := mergefile.NewReader(context.Background(), bytes.NewReader(exampleFile()), mergefile.Standard(), exampleKey(), nil)
	if err != nil {
		log.Fatal(err) // mergefile.ErrInvalid, whatever is wrong with the file
	}
	defer r.Close()
	fmt.Println(r.Len(), "records under key", r.KeyID())
	for rec, err := range r.Records() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(rec.Points, rec.Transaction, rec.Holder, rec.Holder.Reveal())
	}
	// Output:
	// 2 records under key 2026-04
	// 100 20170512093000-000001 [redacted] 520625
	// 100 20170512093000-000002 [redacted] 180000000011
}

// A stream that can neither be read twice nor spooled: commit after Close.
func ExampleNewProvisionalReader() {
	r, err := mergefile.NewProvisionalReader(context.Background(), bytes.NewReader(exampleFile()), mergefile.Standard(), exampleKey(), nil)
	if err != nil {
		log.Fatal(err)
	}
	points := uint64(0) // stands for a database transaction
	for rec, err := range r.Records() {
		if err != nil {
			break
		}
		points += rec.Points
	}
	if err := r.Close(); err != nil {
		fmt.Println("roll back:", err)
		return
	}
	fmt.Println("commit", points)
	// Output: commit 200
}

func ExampleNewWriter() {
	var file bytes.Buffer
	w, err := mergefile.NewWriter(context.Background(), &file, mergefile.Standard(), exampleKey(), nil)
	if err != nil {
		log.Fatal(err)
	}
	holder, err := mergefile.NewMallHolder("520625")
	if err != nil {
		log.Fatal(err)
	}
	number, err := mergefile.NewTransaction(time.Date(2017, 5, 12, 0, 30, 0, 0, time.UTC), 1)
	if err != nil {
		log.Fatal(err)
	}
	if err := w.Write(mergefile.Record{Holder: holder, Points: 100, Transaction: number}); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil { // without Close the file is not valid
		log.Fatal(err)
	}
	fmt.Println(file.Len(), "bytes")
	// Output: 96 bytes
}

// To rotate keys, put the new one in front: files are written with the first
// and read with any.
func ExampleRing() {
	next, err := mergefile.NewKey("2026-05", []byte("fedcba9876543210"), []byte("another secret of May"))
	if err != nil {
		log.Fatal(err)
	}
	ring := mergefile.Ring{next, exampleKey()}
	r, err := mergefile.NewReader(context.Background(), bytes.NewReader(exampleFile()), mergefile.Standard(), ring, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	fmt.Println(r.KeyID())
	// Output: 2026-04
}

func ExampleProfile_Lint() {
	for _, f := range mergefile.JavaDefault().Lint() {
		fmt.Println(f.Severity, f.Axis, f.Code)
	}
	// Output:
	// danger hash.join unbound-fields
	// danger cipher.mode ecb
	// note integrity md5-alone
}

func ExampleParseProfile() {
	_, err := mergefile.ParseProfile([]byte(`{"layuot": "csv"}`))
	fmt.Println(err)
	// Output: mergefile: profile: json: unknown field "layuot"
}

// A developer is told what everyone else is not.
func ExampleDiagnoseForDeveloper() {
	file := exampleFile()
	wrong, err := mergefile.NewKey("2026-04", []byte("0123456789abcdef"), []byte("not the secret at all"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = mergefile.NewReader(context.Background(), bytes.NewReader(file), mergefile.Standard(), wrong, nil)
	fmt.Println(err)
	err = mergefile.DiagnoseForDeveloper(context.Background(), file, mergefile.Standard(), wrong, nil)
	var e *mergefile.RecordError
	fmt.Println(errors.As(err, &e), e.Fault, e.Line, e.Column, e.Field)
	// Output:
	// mergefile: the file is not valid
	// true hash 1 33 hash
}

// All that is known is a file, a key and a secret.
func ExampleProbeForDeveloper() {
	found, err := mergefile.ProbeForDeveloper(context.Background(), exampleFile(), []byte("0123456789abcdef\n"), []byte("8f1d0c3ab94e7725d6a1b2c3"), nil)
	if err != nil {
		log.Fatal(err)
	}
	best := found[0]
	fmt.Println(best.Nearest, best.Distance, best.Profile.Cipher.Mode, best.Profile.Cipher.Padding, best.Records)
	// Output: Standard 0 cbc pkcs7 2
}
