package suspendstore

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

const (
	// beside bounds what a machine is besides its memory, in bytes: its devices, and the heads
	// of its pages.
	beside = 64 << 20
	// perPage is what the head of a page may take of a page of 4 KiB.
	perPage = 64
	chunk   = 1 << 20
)

// Machine writes a whole machine, and says what it was.
type Machine func(to io.Writer) (vm.Suspension, error)

// Write stores the machine that machine writes, with memoryBytes of memory, in dir. When it fails
// nothing is left.
func Write(ctx context.Context, dir statedir.VM, memoryBytes int64, machine Machine) error {
	w := &writing{dir: dir, staged: dir.Suspended().Staged(), machine: machine, left: memoryBytes + memoryBytes/(4<<10)*perPage + beside}
	for _, s := range w.steps(ctx) {
		if err := s.run(); err != nil {
			err = statedir.DiskFault(err, w.staged.Machine())
			return fmt.Errorf("suspend, %s: %w", s.name, errors.Join(err, statedir.RemoveStaged(context.WithoutCancel(ctx), string(w.staged))))
		}
	}
	return nil
}

// step is one of those after each of which a crash leaves all or nothing of the machine.
type step struct {
	name string
	run  func() error
}

// writing is one suspension.
type writing struct {
	dir     statedir.VM
	staged  statedir.Suspended
	machine Machine
	left    int64
	about   vm.Suspension
}

func (w *writing) steps(ctx context.Context) []step {
	return []step{
		{"prepare", func() error { return w.prepare(ctx) }},
		{"write the machine", w.write},
		{"describe it", w.describe},
		{"commit", w.commit},
	}
}

func (w *writing) prepare(ctx context.Context) error {
	if err := statedir.RemoveStaged(ctx, string(w.staged)); err != nil {
		return err
	}
	return os.Mkdir(string(w.staged), 0o700)
}

func (w *writing) write() (err error) {
	f, err := os.OpenFile(w.staged.Machine(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	to := &counted{to: bufio.NewWriterSize(f, chunk), sum: sha256.New(), left: w.left}
	if w.about, err = w.machine(to); err != nil {
		return err
	}
	if err := errors.Join(to.to.Flush(), f.Sync()); err != nil {
		return err
	}
	w.about.Format = vm.SuspensionFormat
	w.about.Bytes, w.about.SHA256 = to.bytes, hex.EncodeToString(to.sum.Sum(nil))
	return nil
}

func (w *writing) describe() (err error) {
	data, err := json.MarshalIndent(w.about, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(w.staged.Manifest(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	return errors.Join(err, f.Sync(), f.Close(), statedir.SyncDir(string(w.staged)))
}

// commit puts it in its place. A machine of before was claimed, or it could not run.
func (w *writing) commit() error {
	if err := os.Rename(string(w.staged), string(w.dir.Suspended())); err != nil {
		return err
	}
	return statedir.SyncDir(string(w.dir))
}

// counted writes to a file, up to a bound.
type counted struct {
	to          *bufio.Writer
	sum         hash.Hash
	bytes, left int64
}

func (c *counted) Write(p []byte) (int, error) {
	if c.left -= int64(len(p)); c.left < 0 {
		return 0, fault.New(fault.Unavailable, "the VMM writes more than the machine can be")
	}
	_, _ = c.sum.Write(p) // it never fails
	n, err := c.to.Write(p)
	c.bytes += int64(n)
	return n, err
}
