package terminal

import (
	"bytes"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// structure writes one SMBIOS structure.
func structure(kind byte, size int, fields map[int][]byte, texts ...string) []byte {
	body := make([]byte, size)
	body[0], body[1] = kind, byte(size)
	for off, v := range fields {
		copy(body[off:], v)
	}
	for _, s := range texts {
		body = append(append(body, s...), 0)
	}
	if len(texts) == 0 {
		body = append(body, 0)
	}
	return append(body, 0)
}

func pcTable(cpuSerial, boardSerial string) []byte {
	uuid := []byte{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	return bytes.Join([][]byte{
		structure(0, 24, nil, "A maker", "1.2"),
		structure(1, 27, map[int][]byte{8: uuid}, "A maker", "A model"),
		structure(2, 15, map[int][]byte{7: {3}}, "A maker", "A board", boardSerial),
		structure(7, 19, nil),
		structure(4, 48, map[int][]byte{8: make([]byte, 8), 0x20: {0}}), // an empty socket
		structure(4, 48, map[int][]byte{8: {0xc3, 6, 3, 0, 0xff, 0xfb, 0xeb, 0xbf}, 0x20: {2}}, "A CPU", cpuSerial),
		structure(127, 4, nil),
		structure(2, 15, map[int][]byte{7: {1}}, "after the end"),
	}, nil)
}

func TestReadLinux(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	machineID := file("0f3c5a7b9d1e2f405162738495a6b7c8\n")
	t.Run("a PC", func(t *testing.T) {
		v, err := readLinux(fstest.MapFS{"sys/firmware/dmi/tables/DMI": file(string(pcTable("C-777", "PF2X")))})
		assert.Equal(t, Values{CPU: "C-777", Board: "PF2X", Machine: "00112233-4455-6677-8899-AABBCCDDEEFF"}, v)
		assert.ErrorContains(t, err, "install value", "each missing value is named")
		assert.ErrorIs(t, err, fs.ErrNotExist)
	})
	t.Run("placeholders", func(t *testing.T) {
		v, err := readLinux(fstest.MapFS{"sys/firmware/dmi/tables/DMI": file(string(pcTable("To Be Filled By O.E.M.", "Default string"))), "etc/machine-id": machineID})
		assert.Equal(t, "BFEBFBFF000306C3", v.CPU, "the identification stands in for the number")
		assert.Empty(t, v.Board, "what many machines share tells none apart")
		assert.ErrorContains(t, err, "motherboard serial")
	})
	t.Run("not root", func(t *testing.T) {
		v, err := readLinux(fstest.MapFS{"etc/machine-id": machineID, "proc/cpuinfo": file("processor\t: 0\nmodel name\t: x\n")})
		assert.Equal(t, Values{Install: "0f3c5a7b9d1e2f405162738495a6b7c8"}, v)
		for _, name := range []string{"CPU serial", "motherboard serial", "machine value"} {
			assert.ErrorContains(t, err, name)
		}
	})
	t.Run("an ARM board", func(t *testing.T) {
		v, err := readLinux(fstest.MapFS{
			"proc/cpuinfo": file("processor\t: 0\n\nHardware\t: BCM\nSerial\t\t: 10000000abcdef01\n"),
			"sys/firmware/devicetree/base/serial-number": file("10000000abcdef01\x00"),
			"sys/firmware/devicetree/base/model":         file("A board Rev 1\x00"),
			"etc/machine-id":                             machineID,
		})
		require.NoError(t, err)
		assert.Equal(t, Values{"10000000abcdef01", "10000000abcdef01", "A board Rev 1", "0f3c5a7b9d1e2f405162738495a6b7c8"}, v)
		_, err = FingerprintWindows(v, JoinPrefixed)
		assert.NoError(t, err)
	})
	t.Run("this machine", func(t *testing.T) {
		v, err := ReadValues()
		for name, s := range map[string]string{"CPU serial": v.CPU, "motherboard serial": v.Board, "machine value": v.Machine, "install value": v.Install} {
			if s == "" {
				assert.ErrorContains(t, err, name, "an empty value is explained")
			}
		}
	})
}

// The table comes from the firmware of a machine that nobody has vetted.
func FuzzParseSMBIOS(f *testing.F) {
	whole := pcTable("C-777", "PF2X")
	for _, seed := range [][]byte{whole, whole[:40], whole[:60], {2, 15, 0, 0}, {2, 3, 0, 0, 0, 0}, {4, 255, 0, 0}, {1, 4, 0, 0, 'a'}, bytes.Repeat([]byte{2, 4, 0, 0, 0, 0}, 50), nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = in[:len(in):len(in)]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got := parseSMBIOS(in)
		runtime.ReadMemStats(&after)
		if spent := after.TotalAlloc - before.TotalAlloc; spent > uint64(64*len(in))+1<<16 {
			t.Fatalf("%d bytes of table took %d bytes of memory", len(in), spent)
		}
		for _, s := range []string{got.cpu, got.board} {
			if len(s) > len(in)+16 || s != strings.TrimSpace(s) {
				t.Fatalf("%q", s)
			}
		}
	})
}
