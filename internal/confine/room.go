package confine

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// RoomEnv is the variable in which a program finds the room that was made for the
// programs that it starts: see Plan.MakesRoom.
const RoomEnv = "BANGER_ROOM"

// OwnMounts makes a process start where Plan.MakesRoom needs it: in a separate mount
// namespace, and for an ordinary user in a user namespace, in which it is the same user. Whether
// that is allowed shows at the start: see NoNamespaces.
func OwnMounts(attr *syscall.SysProcAttr, uid int) {
	attr.Cloneflags |= syscall.CLONE_NEWNS
	if uid == 0 { // root needs no other, where it would lose its rights to the host's ports
		return
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	sameUser(attr, uid)
	attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
}

// makeRoom makes the room and says what holds; nothing where this host allows none,
// for which no start is refused.
func (p Plan) makeRoom() (env []string, err error) {
	if p.MakesRoom == nil {
		return nil, nil
	}
	// The room must not be in itself.
	at := p.MakesRoom.Room
	if err := p.MakesRoom.buildRoot(at); err != nil {
		_ = unix.Unmount(at, unix.MNT_DETACH)
		return nil, fmt.Errorf("no room for the VMM: %w", err)
	}
	return []string{RoomEnv + "=" + at}, nil
}

// leaveNamespace gives up the capabilities in the user namespace that OwnMounts made.
func (p Plan) leaveNamespace() error {
	if p.MakesRoom == nil || os.Getuid() == 0 {
		return nil
	}
	return p.dropCapabilities()
}

// enterRoom makes the room the root. The process, which needs CAP_SYS_CHROOT, has no
// descriptor of a directory outside, and cannot leave once it has given that up.
func (p Plan) enterRoom() error {
	cwd, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := unix.Chroot(p.Room); err != nil {
		return fmt.Errorf("enter the room %s: %w", p.Room, err)
	}
	return chdir(cwd)
}
