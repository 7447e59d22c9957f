package terminal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"
)

// ReadValues reads what this machine gives of the four values:
//
//   - on Windows, CPU and Board from the firmware's table, Machine from the
//     current hardware profile's GUID, Install from MachineGuid;
//   - on Linux, CPU and Board from the firmware's table (root only) or, on a
//     board without one, from the processor and the device tree; Machine is
//     the system's UUID, Install is /etc/machine-id.
//
// The published rule names the values but not where to read them, so a
// platform's own client may read others: compare before relying on it.
//
// Values that could not be read are empty, and the error, which is then not
// nil, names each of them. On other systems the error is
// [errors.ErrUnsupported].
func ReadValues() (Values, error) {
	var v Values
	var errs []error
	table, err := firmwareTable()
	if err == nil {
		t := parseSMBIOS(table)
		v.CPU, v.Board = t.cpu, t.board
		err = errNoValue
	}
	note := func(name string, err error) { errs = append(errs, fmt.Errorf("terminal: %s: %w", name, err)) }
	if v.CPU == "" {
		note("CPU serial", err)
	}
	if v.Board == "" {
		note("motherboard serial", err)
	}
	if v.Machine, err = registryText(`SYSTEM\CurrentControlSet\Control\IDConfigDB\Hardware Profiles\0001`, "HwProfileGuid"); err != nil {
		note("machine value", err)
	}
	if v.Install, err = registryText(`SOFTWARE\Microsoft\Cryptography`, "MachineGuid"); err != nil {
		note("install value", err)
	}
	return v, errors.Join(errs...)
}

// firmwareTable returns the SMBIOS structures.
func firmwareTable() ([]byte, error) {
	const rsmb = 'R'<<24 | 'S'<<16 | 'M'<<8 | 'B'
	get := syscall.NewLazyDLL("kernel32.dll").NewProc("GetSystemFirmwareTable")
	if err := get.Find(); err != nil {
		return nil, err
	}
	n, _, err := get.Call(rsmb, 0, 0, 0)
	if n == 0 || n > maxSMBIOS {
		return nil, fmt.Errorf("firmware table: %w", err)
	}
	buf := make([]byte, n)
	got, _, err := get.Call(rsmb, 0, uintptr(unsafe.Pointer(&buf[0])), n)
	if got == 0 || got > n {
		return nil, fmt.Errorf("firmware table: %w", err)
	}
	// Four bytes of versions and the table's length go before the table.
	const header = 8
	if got < header {
		return nil, errNoValue
	}
	size := min(uintptr(binary.LittleEndian.Uint32(buf[4:])), got-header)
	return buf[header : header+size], nil
}

// registryText reads a text value of the machine's part of the registry, as
// 64-bit programs see it.
func registryText(path, name string) (string, error) {
	p, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return "", err
	}
	q, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return "", err
	}
	const wow64 = 0x0100 // KEY_WOW64_64KEY
	var key syscall.Handle
	if err := syscall.RegOpenKeyEx(syscall.HKEY_LOCAL_MACHINE, p, 0, syscall.KEY_QUERY_VALUE|wow64, &key); err != nil {
		return "", err
	}
	defer syscall.RegCloseKey(key)
	var kind uint32
	var buf [256]uint16
	size := uint32(len(buf) * 2)
	if err := syscall.RegQueryValueEx(key, q, nil, &kind, (*byte)(unsafe.Pointer(&buf[0])), &size); err != nil {
		return "", err
	}
	if kind != syscall.REG_SZ {
		return "", errNoValue
	}
	s := meaningful(syscall.UTF16ToString(buf[:size/2]))
	if s == "" {
		return "", errNoValue
	}
	return s, nil
}
