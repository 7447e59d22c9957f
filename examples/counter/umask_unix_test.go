//go:build unix

package main

import "syscall"

// ownUmask keeps the folders that tests make from being anybody's to write to: the
// program believes no such folder, and some shells have a umask that makes them.
func ownUmask() { syscall.Umask(0o022) }
