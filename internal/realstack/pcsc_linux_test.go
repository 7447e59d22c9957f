package realstack

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mynakit/mynakit/apdu"
	"github.com/mynakit/mynakit/apdu/pcsc"
	"github.com/mynakit/mynakit/apdu/vpcd"
	"github.com/mynakit/mynakit/jpki"
	"github.com/mynakit/mynakit/simcard"
)

func limit(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// open connects to the card in the first slot.
func open(t testing.TB, opts ...pcsc.OpenOption) *pcsc.Card {
	t.Helper()
	ctx := limit(t)
	name, err := pcsc.WaitCard(ctx, reader)
	require.NoError(t, err)
	card, err := pcsc.Open(ctx, name, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { card.Close() })
	return card
}

func TestTapThroughPCSC(t *testing.T) {
	needStack(t)
	sim := simcard.New()
	insert(t, sim)
	ctx := limit(t)
	readers, err := pcsc.Readers(ctx)
	require.NoError(t, err)
	assert.Contains(t, readers, reader)
	real := open(t, pcsc.Exclusive())
	assert.Equal(t, sim.ATR(), real.ATR())

	card, err := jpki.Open(ctx, real)
	require.NoError(t, err)
	serial, err := card.Serial(ctx, jpki.Auth)
	require.NoError(t, err)
	want, err := jpki.SerialOf(sim.AuthCertificate())
	require.NoError(t, err)
	assert.True(t, serial.Equal(want))
	stats := card.Stats()
	assert.Equal(t, 2, stats.Exchanges)
	assert.LessOrEqual(t, stats.BytesSent+stats.BytesReceived, 90)

	cert, err := card.Certificate(ctx, jpki.Auth)
	require.NoError(t, err)
	assert.True(t, sim.AuthCertificate().Equal(cert))

	_, err = pcsc.Open(ctx, reader)
	assert.ErrorIs(t, err, pcsc.ErrSharing, "held exclusively")
}

// A verified PIN is gone after Close, and stays after a disconnect that leaves
// the card as it is.
func TestCloseForgetsThePIN(t *testing.T) {
	needStack(t)
	sim := simcard.New()
	insert(t, sim)
	ctx := limit(t)
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	require.NoError(t, err)
	for _, d := range []pcsc.Disposition{pcsc.Leave, pcsc.Unpower} {
		real := open(t)
		card, err := jpki.Open(ctx, real)
		require.NoError(t, err)
		require.NoError(t, card.Verify(ctx, pin))
		require.NoError(t, real.CloseContext(ctx, d))
		// pcscd takes the power from an idle card by itself after a while, so
		// what Leave leaves can only be looked at in that time.
		// The order to power off has no answer, so nobody waits for the card.
		if d == pcsc.Unpower {
			assert.Eventually(t, func() bool { return !sim.Verified(simcard.AuthPIN) }, time.Minute, time.Millisecond)
		}
	}
}

// waitAlone waits until no call that was given up holds the card any more. When
// it ends it takes the card's power, which other handles learn as a reset; and
// pcscd, asked for that after the card left, misses the next card.
func waitAlone(t testing.TB) {
	t.Helper()
	ctx := limit(t)
	for {
		card, err := pcsc.Open(ctx, reader, pcsc.Exclusive())
		if !errors.Is(err, pcsc.ErrSharing) {
			require.NoError(t, err)
			require.NoError(t, card.Close())
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestTransactionKeepsOthersOut(t *testing.T) {
	needStack(t)
	insert(t, simcard.New())
	ctx := limit(t)
	one, two := open(t), open(t)
	inside, release := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- one.Transaction(ctx, func() error {
			close(inside)
			<-release
			return nil
		})
	}()
	<-inside
	waiting, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	err := two.Transaction(waiting, func() error { t.Error("entered at the same time"); return nil })
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	close(release)
	assert.NoError(t, <-done)
	require.NoError(t, one.Close())
	require.NoError(t, two.Close())
	waitAlone(t)
	three := open(t)
	assert.NoError(t, three.Transaction(ctx, func() error { return nil }))
}

func TestCardsComeAndGo(t *testing.T) {
	needStack(t)
	ctx, cancel := context.WithCancel(limit(t))
	defer cancel()
	events := make(chan pcsc.Event, 16)
	go func() {
		defer close(events)
		for e, err := range pcsc.Watch(ctx) {
			if err != nil {
				return
			}
			if e.Reader == reader {
				events <- e
			}
		}
	}()
	assert.Equal(t, pcsc.ReaderAdded, (<-events).Kind)
	for range 2 { // in, out, and in again
		sim := simcard.New()
		slot, err := vpcd.Insert(ctx, vpcd.DefaultAddr, sim)
		require.NoError(t, err)
		e := <-events
		assert.Equal(t, pcsc.CardInserted, e.Kind)
		assert.Equal(t, sim.ATR(), e.ATR)
		slot.Remove()
		assert.Equal(t, pcsc.CardRemoved, (<-events).Kind)
		require.NoError(t, pcsc.WaitRemoved(ctx, reader))
		_, err = pcsc.Open(ctx, reader)
		assert.ErrorIs(t, err, pcsc.ErrNoCard)
	}
	cancel()
	for range events {
	}
	_, err := pcsc.Open(limit(t), "no such reader")
	assert.ErrorIs(t, err, pcsc.ErrUnknownReader)
}

func TestSecondCardInTheSlot(t *testing.T) {
	needStack(t)
	insert(t, simcard.New())
	_, err := vpcd.Insert(limit(t), vpcd.DefaultAddr, simcard.New())
	assert.ErrorIs(t, err, vpcd.ErrSlotTaken)
	insertAt := func(addr string) error {
		slot, err := vpcd.Insert(limit(t), addr, simcard.New())
		if err == nil {
			slot.Remove()
		}
		return err
	}
	assert.NoError(t, insertAt(vpcd.SecondAddr), "the other slot is free")
}

// obstinate is a card that does something else with the n-th command from now.
type obstinate struct {
	*simcard.Card
	left atomic.Int32
	then func() ([]byte, error)
}

func (o *obstinate) TransmitContext(ctx context.Context, dst, command []byte) ([]byte, error) {
	if o.left.Add(-1) == 0 {
		b, err := o.then()
		return append(dst, b...), err
	}
	return o.Card.TransmitContext(ctx, dst, command)
}

func TestCardLeavesInTheMiddle(t *testing.T) {
	needStack(t)
	sim := &obstinate{Card: simcard.New(), then: func() ([]byte, error) { return nil, apdu.ErrCardRemoved }}
	insert(t, sim)
	ctx := limit(t)
	real := open(t)
	card, err := jpki.Open(ctx, real)
	require.NoError(t, err)
	sim.left.Store(2)
	_, err = card.Certificate(ctx, jpki.Auth)
	assert.ErrorIs(t, err, apdu.ErrCardRemoved)
	var step *jpki.StepError
	assert.ErrorAs(t, err, &step)
}

func TestCardLeavesDuringVerify(t *testing.T) {
	needStack(t)
	sim := &obstinate{Card: simcard.New(), then: func() ([]byte, error) { return nil, apdu.ErrCardRemoved }}
	insert(t, sim)
	ctx := limit(t)
	card, err := jpki.Open(ctx, open(t))
	require.NoError(t, err)
	pin, err := jpki.NewPIN(jpki.AuthPIN, "9999")
	require.NoError(t, err)
	sim.left.Store(3) // SELECT within the transaction, the counter query, VERIFY
	err = card.Verify(ctx, pin)
	assert.ErrorIs(t, err, jpki.ErrOutcomeUnknown)
	assert.ErrorIs(t, err, apdu.ErrCardRemoved)
}

func TestCardFallsSilent(t *testing.T) {
	needStack(t)
	wake := make(chan struct{})
	ctx, cancel := context.WithCancelCause(limit(t))
	sim := &obstinate{Card: simcard.New(), then: func() ([]byte, error) {
		cancel(context.DeadlineExceeded) // in the middle of the exchange
		<-wake
		return nil, apdu.ErrCardRemoved
	}}
	insert(t, sim)
	real := open(t)
	card, err := jpki.Open(limit(t), real)
	require.NoError(t, err)
	sim.left.Store(1)
	_, err = card.Serial(ctx, jpki.Auth)
	assert.ErrorIs(t, err, pcsc.ErrGivenUp)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = card.Serial(limit(t), jpki.Auth)
	assert.ErrorIs(t, err, pcsc.ErrGivenUp)
	close(wake)
}

// mute answers nothing, not even pcscd's question whether it is there, while it
// is locked.
type mute struct {
	*simcard.Card
	mu    sync.RWMutex
	asked atomic.Bool // while it was locked
}

func (m *mute) ATR() []byte {
	if !m.mu.TryRLock() {
		m.asked.Store(true)
		m.mu.RLock()
	}
	defer m.mu.RUnlock()
	return m.Card.ATR()
}

// A program that leaves a card that is silent gets away.
func TestSilentCardIsClosed(t *testing.T) {
	needStack(t)
	sim := &mute{Card: simcard.New()}
	insert(t, sim)
	real := open(t)
	sim.mu.Lock()
	require.Eventually(t, sim.asked.Load, time.Minute, time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	err := real.CloseContext(ctx, pcsc.Unpower)
	assert.ErrorIs(t, err, pcsc.ErrGivenUp)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NoError(t, real.Close())
	sim.mu.Unlock()
	waitAlone(t)
}

func TestTLS12ClientAuthentication(t *testing.T) {
	needStack(t)
	sim := simcard.New()
	insert(t, sim)
	ctx := limit(t)
	card, err := jpki.Open(ctx, open(t, pcsc.Exclusive()))
	require.NoError(t, err)
	pin, err := jpki.NewPIN(jpki.AuthPIN, simcard.DefaultAuthPIN)
	require.NoError(t, err)
	require.NoError(t, card.Verify(ctx, pin))
	key, err := card.Signer(ctx, jpki.Auth)
	require.NoError(t, err)

	server, roots := serverCertificate(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{server},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    sim.Authority().Roots(),
		MaxVersion:   tls.VersionTLS12,
	})
	require.NoError(t, err)
	defer l.Close()
	got := make(chan *x509.Certificate, 1)
	go func() {
		defer close(got)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := io.Copy(conn, io.LimitReader(conn, 5)); err == nil {
			got <- conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{
		RootCAs:    roots,
		ServerName: "localhost",
		Certificates: []tls.Certificate{{
			Certificate: [][]byte{key.Certificate().Raw},
			PrivateKey:  key,
		}},
	})
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("hello"))
	require.NoError(t, err)
	reply := make([]byte, 5)
	_, err = io.ReadFull(conn, reply)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(reply))
	assert.Equal(t, uint16(tls.VersionTLS12), conn.ConnectionState().Version)
	peer := <-got
	require.NotNil(t, peer)
	assert.True(t, sim.AuthCertificate().Equal(peer))
}

func serverCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// The program as a stranger builds and runs it.
func TestCardtoolProgram(t *testing.T) {
	needStack(t)
	sim := simcard.New()
	insert(t, sim)
	dir := t.TempDir()
	tool := filepath.Join(dir, "cardtool")
	output(t, "go", "build", "-o", tool, "../../examples/cardtool")

	var got struct {
		Serial    string
		Exchanges int
	}
	require.NoError(t, json.Unmarshal([]byte(output(t, tool, "serial", "-json", "-reader", "auto")), &got))
	want, err := jpki.SerialOf(sim.AuthCertificate())
	require.NoError(t, err)
	assert.Equal(t, want.Hex(), got.Serial)
	assert.Equal(t, 2, got.Exchanges)

	assert.Contains(t, output(t, tool, "info", "-reader", "PCD 00 00"), "plastic")
	pin := file(t, "pin", []byte(simcard.DefaultAuthPIN+"\n"))
	data := file(t, "data", []byte("2,000 points"))
	sig := filepath.Join(dir, "sig")
	output(t, tool, "sign", "-reader", "auto", "-pin-file", pin, "-in", data, "-out", sig)
	pub := publicKey(t, sim.AuthCertificate())
	assert.Contains(t, output(t, "openssl", "dgst", "-sha256", "-verify", pub, "-signature", sig, data), "Verified OK")

	out, err := command(t, tool, "info", "-reader", "no such reader")
	assert.Error(t, err)
	assert.Contains(t, out, reader, "the message says what there is")
	wrong := file(t, "pin", []byte("9999"))
	out, err = command(t, tool, "verify", "-reader", "auto", "-pin-file", wrong)
	assert.Error(t, err)
	assert.Contains(t, out, "2 tries left")
	assert.NotContains(t, strings.ReplaceAll(out, "verify", ""), "9999")
}

// An empty reader: cardtool waits, and says so when its time is over.
func TestCardtoolWithoutACard(t *testing.T) {
	needStack(t)
	tool := filepath.Join(t.TempDir(), "cardtool")
	output(t, "go", "build", "-o", tool, "../../examples/cardtool")
	out, err := command(t, tool, "serial", "-reader", "auto", "-wait", "300ms")
	assert.Error(t, err)
	assert.Contains(t, out, "No card came in time")
}

// What the whole stack does: pcsc, pcscd, vpcd and the software card.
func BenchmarkExchange(b *testing.B) {
	needStack(b)
	insert(b, simcard.New())
	card := open(b)
	_, err := card.Transmit(append([]byte{0x00, 0xA4, 0x04, 0x0C, 0x0A}, []byte("\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01")...))
	require.NoError(b, err)
	read := []byte{0x00, 0xB0, 0x8A, 0x00, 0x24}
	dst := make([]byte, 0, 512)
	for name, ctx := range map[string]context.Context{"plain": context.Background(), "context": limit(b)} {
		b.Run(name, func(b *testing.B) {
			n := 0
			start := time.Now()
			for b.Loop() {
				reply, err := card.TransmitContext(ctx, dst, read)
				if err != nil || !bytes.HasSuffix(reply, []byte{0x90, 0x00}) {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(n)/time.Since(start).Seconds(), "exchanges/s")
		})
	}
}
