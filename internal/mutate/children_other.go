//go:build !unix

package main

import "os/exec"

// withItsChildren does nothing where there are no process groups.
func withItsChildren(*exec.Cmd) {}
