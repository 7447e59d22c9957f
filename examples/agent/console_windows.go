package main

import (
	"context"
	"unsafe"

	"golang.org/x/sys/windows"
)

// console is the console that the program was started on: nothing is echoed, and
// each key comes by itself.
type console struct {
	in, out windows.Handle
	before  uint32
	read    *windows.LazyProc
}

func openConsole() (*console, error) {
	c := &console{read: windows.NewLazySystemDLL("kernel32.dll").NewProc("ReadConsoleInputW")}
	if err := c.read.Find(); err != nil {
		return nil, err
	}
	open := func(name string) (windows.Handle, error) {
		text, err := windows.UTF16PtrFromString(name)
		if err != nil {
			return 0, err
		}
		return windows.CreateFile(text, windows.GENERIC_READ|windows.GENERIC_WRITE, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, nil,
			windows.OPEN_EXISTING, 0, 0)
	}
	var err error
	if c.in, err = open("CONIN$"); err != nil {
		return nil, err
	}
	if c.out, err = open("CONOUT$"); err == nil {
		if err = windows.GetConsoleMode(c.in, &c.before); err == nil {
			// Without processed input Ctrl-C is a key, as on other systems.
			err = windows.SetConsoleMode(c.in, 0)
		}
		if err != nil {
			_ = windows.CloseHandle(c.out)
		}
	}
	if err != nil {
		_ = windows.CloseHandle(c.in)
		return nil, err
	}
	_ = windows.FlushConsoleInputBuffer(c.in) // what was typed before the question is no answer to it
	return c, nil
}

// inputRecord is INPUT_RECORD of a key.
type inputRecord struct {
	kind    uint16
	_       uint16
	down    int32
	repeat  uint16
	key     uint16
	scan    uint16
	char    uint16
	control uint32
}

// next returns the next byte that is typed.
func (c *console) next(ctx context.Context) (byte, error) {
	const moment, keyEvent = 50, 1 // ms
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		// There may be other events than keys, and a read of keys would wait then.
		switch event, err := windows.WaitForSingleObject(c.in, moment); {
		case event == uint32(windows.WAIT_TIMEOUT):
			continue
		case event != windows.WAIT_OBJECT_0:
			return 0, err
		}
		var r inputRecord
		var n uint32
		if ok, _, err := c.read.Call(uintptr(c.in), uintptr(unsafe.Pointer(&r)), 1, uintptr(unsafe.Pointer(&n))); ok == 0 {
			return 0, err
		}
		if n == 1 && r.kind == keyEvent && r.down != 0 && r.char != 0 {
			return byte(min(r.char, 0xff)), nil // no PIN has others than ASCII
		}
	}
}

func (c *console) write(_ context.Context, text string) error {
	wide, err := windows.UTF16FromString(text)
	if err != nil {
		return err
	}
	var n uint32
	return windows.WriteConsole(c.out, &wide[0], uint32(len(wide)-1), &n, nil)
}

// close leaves the console as it was. A part of a PIN is not for whoever reads it
// next.
func (c *console) close() {
	_ = c.write(context.Background(), "\r\n")
	_ = windows.FlushConsoleInputBuffer(c.in)
	_ = windows.SetConsoleMode(c.in, c.before)
	_ = windows.CloseHandle(c.in)
	_ = windows.CloseHandle(c.out)
}
