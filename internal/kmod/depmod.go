package kmod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/child"
	"github.com/bangervm/banger/internal/fault"
)

// depmodTimeout bounds one run of depmod, which takes seconds at most.
const depmodTimeout = 5 * time.Minute

// depmodLimits are of one run: seconds of CPU, KiB of memory, 512-byte blocks of
// a file, open files, and no core. A distribution's biggest package takes a
// tenth.
const depmodLimits = "ulimit -t 240; ulimit -v 2097152; ulimit -f 2097152; ulimit -n 256; ulimit -c 0; "

// FindDepmod returns the path of depmod, which ordinary users often lack in
// their PATH: it is also looked for in the system's own directories.
func FindDepmod() (string, error) {
	if path, err := exec.LookPath("depmod"); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, "depmod")); err == nil {
			return path, nil
		}
	}
	return "", fault.New(fault.Unavailable, "depmod is not installed").WithHint("install the package kmod")
}

// depmod makes all the indexes of the tree, by depmod's own rules, not the
// host's configuration.
func (t tree) depmod(ctx context.Context) error {
	path, err := FindDepmod()
	if err != nil {
		return err
	}
	conf := filepath.Join(t.root, "depmod.d")
	if err := os.Mkdir(conf, 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, depmodTimeout)
	defer cancel()
	// The modules may be hostile, and depmod is C: it gets no more than it needs.
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", depmodLimits+`exec "$@"`, "depmod", path, "-C", conf, "-b", t.root, t.version)
	cmd.Env = []string{"LC_ALL=C"}
	cmd.WaitDelay = time.Second
	stderr := &head{limit: 64 << 10}
	cmd.Stderr = stderr
	if err := child.Run(cmd); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if strings.Contains(stderr.buf.String(), "No space left on device") {
			return fmt.Errorf("depmod: %w", syscall.ENOSPC)
		}
		return fault.Wrap(fault.Invalid, err, "depmod: %s", firstLine(stderr.buf.String()))
	}
	for _, name := range []string{"modules.dep", "modules.dep.bin", "modules.alias.bin"} {
		if _, err := os.Stat(filepath.Join(t.dir, name)); errors.Is(err, os.ErrNotExist) {
			return fault.New(fault.Unavailable, "%s made no %s", path, name).WithHint("install the package kmod: busybox's depmod is not enough")
		} else if err != nil {
			return err
		}
	}
	return nil
}

// head keeps the beginning of what is written to it.
type head struct {
	buf   bytes.Buffer // not embedded: its ReadFrom knows no limit
	limit int
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	_, _ = h.buf.Write(p[:min(len(p), max(0, h.limit-h.buf.Len()))])
	return len(p), nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
