//go:build linux || windows

package terminal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// maxSMBIOS bounds the firmware table. Real ones have a few thousand bytes.
const maxSMBIOS = 1 << 20

// errNoValue says that the machine does not give a value, or gives a
// placeholder that its maker forgot to replace.
var errNoValue = errors.New("the machine does not give it")

// smbios holds what the firmware's table (DMTF DSP0134) says of the machine.
type smbios struct {
	cpu, board, system string
}

// parseSMBIOS reads the structure table, without entry point or header. It
// takes what it finds up to the first structure that does not fit, and of
// several of a type the first that has a value: a second processor's socket
// may be empty.
func parseSMBIOS(table []byte) smbios {
	var out smbios
	if len(table) > maxSMBIOS {
		table = table[:maxSMBIOS]
	}
	for len(table) >= 4 {
		kind, size := table[0], int(table[1])
		if size < 4 || size > len(table) {
			break
		}
		body := table[:size]
		strs, rest := smbiosStrings(table[size:])
		// text gives the string whose number stands at offset off.
		text := func(off int) string {
			if off >= len(body) || body[off] == 0 || int(body[off]) > len(strs) {
				return ""
			}
			return meaningful(strs[body[off]-1])
		}
		switch {
		case kind == 1 && out.system == "" && size >= 0x18:
			out.system = smbiosUUID(body[8:24])
		case kind == 2 && out.board == "":
			out.board = text(0x07)
		case kind == 4 && out.cpu == "":
			if out.cpu = text(0x20); out.cpu == "" && size >= 0x10 {
				// Today's processors have no serial number to give. What the
				// system management tools of Windows show instead is the
				// identification, the second word before the first.
				lo, hi := binary.LittleEndian.Uint32(body[8:]), binary.LittleEndian.Uint32(body[12:])
				if lo != 0 {
					out.cpu = fmt.Sprintf("%08X%08X", hi, lo)
				}
			}
		case kind == 127:
			return out
		}
		table = rest
	}
	return out
}

// smbiosStrings reads the strings after a structure's body, up to the empty
// one that ends them, and gives what follows.
func smbiosStrings(b []byte) (strs []string, rest []byte) {
	for {
		end := 0
		for end < len(b) && b[end] != 0 {
			end++
		}
		if end == len(b) {
			return strs, nil
		}
		if end == 0 {
			// A structure without strings ends with two zeros.
			b = b[1:]
			if len(strs) == 0 && len(b) > 0 && b[0] == 0 {
				b = b[1:]
			}
			return strs, b
		}
		if len(strs) < 255 { // a reference is one byte
			strs = append(strs, string(b[:end]))
		}
		b = b[end+1:]
	}
}

// smbiosUUID writes a UUID as the operating systems do, the first three parts
// little end first. All zeros or all ones is no UUID.
func smbiosUUID(b []byte) string {
	if strings.Count(string(b), "\x00") == 16 || strings.Count(string(b), "\xff") == 16 {
		return ""
	}
	return fmt.Sprintf("%08X-%04X-%04X-%X-%X", binary.LittleEndian.Uint32(b),
		binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:16])
}

// meaningful trims a value and empties it if it is one of the placeholders
// that many machines share.
func meaningful(s string) string {
	s = strings.TrimSpace(s)
	switch strings.ToLower(strings.Trim(s, ".")) {
	case "none", "unknown", "not specified", "not available", "n/a", "default string", "empty",
		"to be filled by o.e.m", "system serial number", "base board serial number", "serial number":
		return ""
	}
	if strings.Trim(s, "0-. ") == "" {
		return ""
	}
	return s
}
