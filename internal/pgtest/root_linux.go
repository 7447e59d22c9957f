package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// PostgreSQL refuses to run as root, so root hands its directory, its files
// and the process to an ordinary user.

func giveAway(path string) error {
	cred, err := credential()
	if err != nil || cred == nil {
		return err
	}
	return os.Chown(path, int(cred.Uid), int(cred.Gid))
}

func dropRoot(cmd *exec.Cmd) {
	// Should the test be killed, its server goes with it.
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if cred, err := credential(); err == nil {
		attr.Credential = cred
	}
	cmd.SysProcAttr = attr
}

// credential returns the user to run as, or nil to stay the same.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("running as root, and there is neither a user postgres nor nobody to run the server as")
}
