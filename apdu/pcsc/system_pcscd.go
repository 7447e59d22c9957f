//go:build linux && !(cgo && libpcsclite)

package pcsc

func system() stack { return pcscd() }
