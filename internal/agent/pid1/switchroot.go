package pid1

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// SwitchRoot makes Root the root. Disk is remounted read-only in the end.
type SwitchRoot struct {
	Root string `json:"root"`
	Disk string `json:"disk"`
}

func (p *process) switchRoot(s SwitchRoot) error {
	disk, err := os.Open(s.Disk)
	if err != nil {
		return err
	}
	p.disk = disk
	if err := os.Chdir(s.Root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move %s to the root: %w", s.Root, err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("enter %s: %w", s.Root, err)
	}
	if p.exits, err = recordExits(); err != nil {
		p.log.Warn("record the ends of processes", "err", err)
	}
	return os.Chdir("/")
}

// Exec is a program that PID 1 becomes.
type Exec struct {
	Path string   `json:"path"`
	Argv []string `json:"argv"`
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`
}

// exec replaces this process. It returns only on failure.
func (p *process) exec(init Exec) error {
	signal.Reset()
	p.exits.stop()
	p.exits = nil
	if err := os.Chdir(init.Dir); err != nil {
		p.log.Warn("the init starts in /", "err", err)
	}
	return fmt.Errorf("start %s: %w", init.Path, syscall.Exec(init.Path, init.Argv, init.Env))
}
