package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/mynakit/mynakit/apdu/tlv"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/jpki/cms"
	"github.com/mynakit/mynakit/simcard"
)

// blank is a PDF with one empty page.
func blank() []byte {
	var b bytes.Buffer
	var offsets []int
	b.WriteString("%PDF-1.7\n")
	for i, object := range []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>",
	} {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := b.Len()
	b.WriteString("xref\n0 4\n0000000000 65535 f \n")
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", start)
	return b.Bytes()
}

var (
	byteRange = regexp.MustCompile(`/ByteRange ?\[ ?(\d+) (\d+) (\d+) (\d+) *\]`)
	contents  = regexp.MustCompile(`/Contents ?<([0-9A-Fa-f]+)>`)
)

// A signed is a signature in a PDF, and what it is about: all of the file up to
// the end of its revision but for the signature itself (GHSA-g258-q5gf-7hvx: a
// ByteRange that is not complete).
type signed struct {
	signature, content []byte
	end                int // of its revision
}

// signatures gives all signatures of a PDF in their order (GHSA-g258-q5gf-7hvx:
// only one of them looked at).
func signatures(t *testing.T, file []byte) (all []signed) {
	t.Helper()
	ranges, gaps := byteRange.FindAllSubmatch(file, -1), contents.FindAllSubmatchIndex(file, -1)
	if len(ranges) == 0 || len(ranges) != len(gaps) {
		t.Fatalf("%d ranges for %d signatures", len(ranges), len(gaps))
	}
	for i, gap := range gaps {
		var n [4]int
		for j := range n {
			n[j], _ = strconv.Atoi(string(ranges[i][j+1]))
		}
		end := n[2] + n[3]
		if n[0] != 0 || n[1] != gap[2]-1 || n[2] != gap[3]+1 || end > len(file) || !bytes.HasSuffix(bytes.TrimSpace(file[:end]), []byte("%%EOF")) {
			t.Fatalf("ByteRange %v for %d bytes with a signature at %v", n, len(file), gap[2:])
		}
		padded, err := hex.DecodeString(string(file[gap[2]:gap[3]]))
		if err != nil {
			t.Fatal(err)
		}
		_, value, rest, err := tlv.Next(padded)
		if err != nil || len(value) == 0 {
			t.Fatal("no signature")
		}
		all = append(all, signed{padded[:len(padded)-len(rest)], slices.Concat(file[:n[1]], file[n[2]:end]), end})
	}
	return all
}

// parts gives the signature in a PDF that has one, and what it is about.
func parts(t *testing.T, file []byte) (signature, content []byte) {
	t.Helper()
	all := signatures(t, file)
	if len(all) != 1 || all[0].end != len(file) {
		t.Fatalf("%d signatures, the first up to %d of %d", len(all), all[0].end, len(file))
	}
	return all[0].signature, all[0].content
}

func TestSignedPDF(t *testing.T) {
	ctx := context.Background()
	reader := simcard.New()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.pdf"), filepath.Join(dir, "out.pdf")
	if err := os.WriteFile(in, blank(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(ctx, []string{in, out}, reader); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(file, blank()) {
		t.Fatal("the document was changed, and not added to")
	}
	verifier, err := jpki.NewVerifier([]*x509.Certificate{reader.Authority().Sign().Certificate()})
	if err != nil {
		t.Fatal(err)
	}
	signature, content := parts(t, file)
	message, err := cms.VerifyDetached(ctx, verifier, jpki.Sign, signature, content)
	if err != nil {
		t.Fatal(err)
	}
	if !message.Signer.Certificate().Equal(reader.SignCertificate()) {
		t.Fatal("signed by somebody else")
	}
	content[10] ^= 1
	if _, err := cms.VerifyDetached(ctx, verifier, jpki.Sign, signature, content); err == nil {
		t.Fatal("a changed document verifies")
	}
}

// Two holders sign one after the other. Each signature holds for its revision,
// so both have to be looked at: what the second adds the first does not cover.
func TestEverySignatureOfAPDFCounts(t *testing.T) {
	ctx := context.Background()
	file := blank()
	var cards []*simcard.Card
	for i := range uint(2) {
		card := simcard.New(simcard.WithHolder(simcard.SampleHolder(i)))
		cards = append(cards, card)
		pin, err := jpki.NewPIN(jpki.SignPIN, simcard.DefaultSignPIN)
		if err != nil {
			t.Fatal(err)
		}
		more, err := signPDF(ctx, card, pin, file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(more, file) {
			t.Fatal("what was signed was changed, and not added to")
		}
		file = more
	}
	verifier, err := jpki.NewVerifier([]*x509.Certificate{cards[0].Authority().Sign().Certificate()})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(s signed) (*cms.Message, error) {
		return cms.VerifyDetached(ctx, verifier, jpki.Sign, s.signature, s.content)
	}
	all := signatures(t, file)
	if len(all) != 2 || all[0].end >= all[1].end || all[1].end != len(file) {
		t.Fatalf("%d signatures", len(all))
	}
	for i, s := range all {
		message, err := verify(s)
		if err != nil {
			t.Fatal(err)
		}
		if !message.Signer.Certificate().Equal(cards[i].SignCertificate()) {
			t.Fatalf("signature %d is somebody else's", i)
		}
	}

	at := bytes.LastIndex(file, []byte("startxref")) // behind both signatures
	if at < all[0].end {
		t.Fatal("no second revision")
	}
	file[at-1] ^= 0x80
	all = signatures(t, file)
	if _, err := verify(all[0]); err != nil {
		t.Fatal("the first signature covers what came later")
	}
	if _, err := verify(all[1]); err == nil {
		t.Fatal("a changed revision verifies")
	}
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	none := filepath.Join(t.TempDir(), "none.pdf")
	text := filepath.Join(t.TempDir(), "text.pdf")
	if err := os.WriteFile(text, []byte("no PDF"), 0o600); err != nil {
		t.Fatal(err)
	}
	gone := simcard.New()
	gone.Remove()
	for name, err := range map[string]error{
		"no arguments": run(ctx, nil, simcard.New()),
		"no file":      run(ctx, []string{none, none}, simcard.New()),
		"no PDF":       run(ctx, []string{text, none}, simcard.New()),
		"no card":      run(ctx, []string{text, none}, gone),
	} {
		if err == nil {
			t.Error(name)
		}
	}
	if _, err := os.Stat(none); !os.IsNotExist(err) {
		t.Error("something was written")
	}
}
