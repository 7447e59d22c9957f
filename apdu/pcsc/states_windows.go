package pcsc

import (
	"time"
	"unsafe"

	"github.com/ebfe/scard"
	"golang.org/x/sys/windows"
)

var (
	winscard        = windows.NewLazySystemDLL("winscard.dll")
	establish       = winscard.NewProc("SCardEstablishContext")
	releaseContext  = winscard.NewProc("SCardReleaseContext")
	getStatusChange = winscard.NewProc("SCardGetStatusChangeW")
	cancelContext   = winscard.NewProc("SCardCancel")
)

// states asks for the states of readers, in a context of its own. scard hands the
// names to Windows in memory that Go may use for something else during the call.
type states struct{ context uintptr }

// A readerState is SCARD_READERSTATEW.
type readerState struct {
	name           *uint16
	userData       uintptr
	current, event uint32
	atrLength      uint32
	atr            [36]byte
}

func (s *states) change(asked []scard.ReaderState, limit time.Duration) error {
	if s.context == 0 {
		const system = 2
		if code, _, _ := establish.Call(system, 0, 0, uintptr(unsafe.Pointer(&s.context))); code != 0 {
			return scard.Error(code)
		}
	}
	raw := make([]readerState, len(asked))
	for i, a := range asked {
		name, err := windows.UTF16PtrFromString(a.Reader)
		if err != nil {
			return scard.ErrUnknownReader
		}
		raw[i] = readerState{name: name, current: uint32(a.CurrentState)}
	}
	code, _, _ := getStatusChange.Call(s.context, uintptr(limit.Milliseconds()), uintptr(unsafe.Pointer(&raw[0])), uintptr(len(raw)))
	if code != 0 {
		return scard.Error(code)
	}
	for i, r := range raw {
		asked[i].EventState = scard.StateFlag(r.event)
		asked[i].Atr = r.atr[:min(int(r.atrLength), len(r.atr))]
	}
	return nil
}

func (s *states) look(_ *scard.Context, asked []scard.ReaderState) error { return s.change(asked, 0) }

func (s *states) wait(_ *scard.Context, seen []scard.ReaderState, limit time.Duration) {
	_ = s.change(seen, limit) // what it means, the next look shows
}

func (s *states) cancel(*scard.Context) { _, _, _ = cancelContext.Call(s.context) }

func (s *states) release() {
	if s.context != 0 {
		_, _, _ = releaseContext.Call(s.context)
	}
}
