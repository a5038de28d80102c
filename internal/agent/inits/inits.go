// Package inits knows the init systems of images: whether one is really
// there, and how to ask each to shut down.
package inits

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"

	"github.com/bangervm/banger/internal/agent/regular"
	"github.com/bangervm/banger/internal/agentrpc"
)

// Flavour names what PID 1 is; it is agentrpc.Ready's Init.
type Flavour string

// The flavours. Unknown is an init of an image that only --init image runs.
const (
	Agent    Flavour = "agent"
	Systemd  Flavour = "systemd"
	Sysvinit Flavour = "sysvinit"
	OpenRC   Flavour = "openrc"
	Runit    Flavour = "runit"
	Busybox  Flavour = "busybox"
	S6       Flavour = "s6" // s6-overlay's /init
	Unknown  Flavour = "unknown"
)

// Found is an image's init: what it is, and the path to run as PID 1. Shutdown
// is the flavour by which it is asked to go down: OpenRC's PID 1 may be
// busybox, sysvinit or its own.
type Found struct {
	Flavour  Flavour
	Path     string
	Shutdown Flavour
	// Argv is there when the image's command names the init: it runs with that, and
	// in the environment and directory of the image.
	Argv []string
	// StopSignal asks an init to end for which nothing else is known.
	StopSignal string
}

// ErrNoInit says that --init image finds no init in the image.
var ErrNoInit = errors.New("the image has no init")

// Choose says what PID 1 becomes in the tree at root, of an image that runs program
// by itself.
func Choose(root string, mode agentrpc.InitMode, program agentrpc.Program) (Found, error) {
	self := Found{Flavour: Agent, Shutdown: Agent}
	if mode == agentrpc.InitAgent {
		return self, nil
	}
	t := tree(root)
	named := t.named(program)
	if named.Path != "" && (named.Flavour != Unknown || mode == agentrpc.InitImage) {
		return named, nil
	}
	found := detect(root)
	switch {
	case mode == agentrpc.InitImage && found.Path == "":
		return Found{}, fmt.Errorf("%w: neither /sbin/init nor /init, nor does its command name one", ErrNoInit)
	case mode != agentrpc.InitImage && (found.Path == "" || found.Flavour == Unknown):
		return self, nil
	}
	return found, nil
}

// detect looks at what /sbin/init is, and whether what it needs is there.
func detect(root string) Found {
	t := tree(root)
	for _, path := range []string{"/sbin/init", "/usr/sbin/init", "/bin/init", "/etc/init", "/init"} {
		target, ok := t.program(path)
		if !ok {
			continue
		}
		flavour, shutdown := t.identify(target)
		return Found{Flavour: flavour, Path: path, Shutdown: shutdown}
	}
	return Found{}
}

// tree is a root directory; its paths are resolved inside it.
type tree string

// program returns where path leads in the tree, if to an executable file.
func (t tree) program(path string) (string, bool) {
	target, err := securejoin.SecureJoin(string(t), path)
	if err != nil {
		return "", false
	}
	info, err := os.Stat(target)
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return "", false
	}
	return target, true
}

// identify takes an init whose files cannot be read for an unknown one.
func (t tree) identify(target string) (flavour, shutdown Flavour) {
	switch filepath.Base(target) {
	case "systemd":
		return Systemd, Systemd
	case "openrc-init":
		if _, ok := t.program("/sbin/openrc"); ok {
			return OpenRC, OpenRC
		}
		return Unknown, Unknown
	case "runit-init", "runit":
		for _, stage := range []string{"/etc/runit/1", "/etc/runit/2"} {
			if _, ok := t.program(stage); !ok {
				return Unknown, Unknown
			}
		}
		return Runit, Runit
	}
	kind := pid1Kind(target)
	if kind == Unknown {
		return Unknown, Unknown
	}
	complete, openrc := t.inittab(kind)
	switch {
	case !complete:
		return Unknown, Unknown
	case openrc:
		return OpenRC, kind
	}
	return kind, kind
}

// maxInit bounds how much of an init is read to tell what it is.
const maxInit = 16 << 20

// pid1Kind tells busybox from sysvinit by texts that only they hold.
func pid1Kind(target string) Flavour {
	if filepath.Base(target) == "busybox" {
		return Busybox
	}
	f, err := regular.Open(target)
	if err != nil {
		return Unknown
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxInit))
	switch {
	case err != nil:
		return Unknown
	case bytes.Contains(data, []byte("BusyBox v")):
		return Busybox
	case bytes.Contains(data, []byte("INIT_VERSION")):
		return Sysvinit
	}
	return Unknown
}

// inittab reports whether the programs that must run for the system to come up
// are there, and whether OpenRC is what they run.
func (t tree) inittab(kind Flavour) (complete, openrc bool) {
	f, err := regular.OpenIn(string(t), "/etc/inittab")
	if errors.Is(err, os.ErrNotExist) {
		// busybox then runs /etc/init.d/rcS.
		_, ok := t.program("/etc/init.d/rcS")
		return kind == Busybox && ok, false
	}
	if err != nil {
		return false, false
	}
	defer func() { _ = f.Close() }()
	boots := 0
	scan := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for scan.Scan() {
		program, ok := bootProgram(scan.Text())
		if !ok {
			continue
		}
		if !t.hasProgram(program) {
			return false, false
		}
		boots++
		openrc = openrc || filepath.Base(program) == "openrc"
	}
	return boots > 0 && scan.Err() == nil, openrc
}

// bootProgram returns the program of an inittab line (id:runlevels:action:process)
// that the boot waits for.
func bootProgram(line string) (string, bool) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", false
	}
	fields := strings.SplitN(line, ":", 4)
	if len(fields) != 4 {
		return "", false
	}
	switch fields[2] {
	case "sysinit", "boot", "bootwait":
	case "wait", "once":
		if fields[1] != "" {
			return "", false // sysvinit's runlevels: halt and single-user among them
		}
	default:
		return "", false
	}
	words := strings.Fields(strings.TrimLeft(fields[3], "-+"))
	if len(words) == 0 {
		return "", false
	}
	return words[0], true
}

func (t tree) hasProgram(name string) bool {
	_, ok := t.program(t.lookup(name))
	return ok
}
