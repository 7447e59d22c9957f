//go:build unix

package inbox

import (
	"os"
	"syscall"
)

// openFlags never follow a link and never wait for the other end of a pipe
// that has taken the file's place.
const openFlags = os.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
