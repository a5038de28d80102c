package command

import (
	"errors"
	"fmt"
	"os"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/account"
)

// ttyGID is the group that may write to terminals on every Linux distribution.
const ttyGID = 5

// OpenTerminal makes a terminal that belongs to a, of the given size (zero: 24
// rows, 80 columns). The caller closes both ends.
func OpenTerminal(a account.Account, rows, cols uint16) (master, slave *os.File, err error) {
	master, slave, err = pty.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("open a terminal: %w", err)
	}
	if rows == 0 || cols == 0 {
		rows, cols = 24, 80
	}
	err = Resize(master, rows, cols)
	if os.Getuid() == 0 {
		err = errors.Join(err, slave.Chown(int(a.UID), ttyGID), slave.Chmod(0o620))
	}
	if err != nil {
		return nil, nil, errors.Join(err, master.Close(), slave.Close())
	}
	return master, slave, nil
}

// Resize sets a terminal's size. It may be closed meanwhile: its descriptor is
// held, as the number may be another file's by then.
func Resize(master *os.File, rows, cols uint16) error {
	raw, err := master.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
	return errors.Join(err, set)
}
