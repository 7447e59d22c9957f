package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
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
func ReadValues() (Values, error) { return readLinux(os.DirFS("/")) }

func readLinux(root fs.FS) (Values, error) {
	var v Values
	table, tableErr := readSome(root, "sys/firmware/dmi/tables/DMI")
	if tableErr == nil {
		t := parseSMBIOS(table)
		v.CPU, v.Board, v.Machine = t.cpu, t.board, t.system
	}
	var errs []error
	fill := func(dst *string, name string, sources ...func() (string, error)) {
		err := tableErr
		for _, source := range sources {
			if *dst != "" {
				return
			}
			var s string
			if s, err = source(); err == nil {
				*dst = meaningful(s)
			}
		}
		if *dst == "" {
			if err == nil {
				err = errNoValue
			}
			errs = append(errs, fmt.Errorf("terminal: %s: %w", name, err))
		}
	}
	file := func(name string) func() (string, error) {
		return func() (string, error) {
			b, err := readSome(root, name)
			// The device tree ends its strings with a zero byte.
			return strings.TrimRight(string(b), "\x00\n"), err
		}
	}
	fill(&v.CPU, "CPU serial", func() (string, error) { return cpuinfoSerial(root) })
	fill(&v.Board, "motherboard serial", file("sys/class/dmi/id/board_serial"), file("sys/firmware/devicetree/base/serial-number"))
	fill(&v.Machine, "machine value", file("sys/class/dmi/id/product_uuid"), file("sys/firmware/devicetree/base/model"))
	fill(&v.Install, "install value", file("etc/machine-id"))
	return v, errors.Join(errs...)
}

// cpuinfoSerial finds the line "Serial : …" that ARM boards have.
func cpuinfoSerial(root fs.FS) (string, error) {
	b, err := readSome(root, "proc/cpuinfo")
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(b) {
		if name, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(name) == "Serial" {
			return strings.TrimSpace(value), nil
		}
	}
	return "", errNoValue
}

func readSome(root fs.FS, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSMBIOS))
}
