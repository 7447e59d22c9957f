package vpcd

import (
	"net"
	"syscall"
)

// quickAck returns a function to call before each read. It makes the kernel
// acknowledge what arrives next at once. The option wears off by itself, so
// once is not enough.
func quickAck(conn net.Conn) func() {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return func() {}
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return func() {}
	}
	set := func(fd uintptr) {
		// A refusal costs time and nothing else.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	}
	return func() { _ = raw.Control(set) }
}
