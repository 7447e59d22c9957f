//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// withItsChildren makes the end of c's context the end of all that c has
// started, too: some tests start processes of their own, and a mutant can keep
// these from ending.
func withItsChildren(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}
