package vmm

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
)

// MaxSavedState bounds Saved.State, in bytes.
const MaxSavedState = 16 << 20

// Saved is a machine that stood still when it was saved. Any number of machines can start From it,
// also at once. Its files are in memory and sealed: nobody can change them any more,
// so machines that share them cannot reach each other.
type Saved struct {
	// Shape is the Driver's of the Spec that was saved.
	Shape string
	// TSCKHz is the rate of the CPUs' time-stamp counter as the guest was told it; 0: it was not.
	TSCKHz int64
	// State is what the devices and the CPUs were, in the VMM's own format.
	State *os.File
	// Memory is the guest's memory, as long as it was. What was never used is a hole.
	Memory *os.File
}

// Close closes the files. Machines that were started keep what they need.
func (s Saved) Close() error {
	var errs []error
	for _, f := range []*os.File{s.State, s.Memory} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// tscTolerance is how far two measurements of one rate may lie apart, as 1 of so many.
const tscTolerance = 2000

// Check returns nil if a machine of this shape can be tried to start From s, on a host whose
// time-stamp counter has this rate (as TSCKHz). Otherwise the fault is Unavailable and says
// what is wrong.
func (s Saved) Check(shape string, tscKHz, memoryBytes int64) error {
	if err := checkMachine(s.Shape, shape, s.TSCKHz, tscKHz); err != nil {
		return err
	}
	return s.checkFiles(memoryBytes)
}

// checkMachine compares the shape and the rate that a machine was saved with to those that it
// would go on with.
func checkMachine(was, is string, wasKHz, isKHz int64) error {
	if was != is {
		return fault.New(fault.Unavailable, "the saved machine has another shape than this one")
	}
	if off := max(wasKHz-isKHz, isKHz-wasKHz); off > isKHz/tscTolerance {
		return fault.New(fault.Unavailable, "the saved machine's time-stamp counter has %d kHz, this host's %d: its clock would be wrong", wasKHz, isKHz)
	}
	return nil
}

func (s Saved) checkFiles(memoryBytes int64) error {
	for what, file := range map[string]*os.File{"state": s.State, "memory": s.Memory} {
		if file == nil {
			return fault.New(fault.Unavailable, "the saved machine has no %s", what)
		}
		if !sealed(file) {
			return fault.New(fault.Unavailable, "the saved machine's %s could change", what)
		}
	}
	state, err := s.State.Stat()
	if err != nil {
		return fmt.Errorf("look at a saved machine's state: %w", err)
	}
	memory, err := s.Memory.Stat()
	if err != nil {
		return fmt.Errorf("look at a saved machine's memory: %w", err)
	}
	if n := state.Size(); n == 0 || n > MaxSavedState {
		return fault.New(fault.Unavailable, "the saved machine's state has %d bytes", n)
	}
	if n := memory.Size(); n != memoryBytes {
		return fault.New(fault.Unavailable, "the saved machine's memory has %d bytes; want %d", n, memoryBytes)
	}
	return nil
}

// seals keep a file in memory as it is: see fcntl(2).
const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW

// NewMemoryFile makes a file in memory, of this length and all holes, that Seal can seal.
// The name is for people who look at processes. The caller closes it.
func NewMemoryFile(name string, bytes int64) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := f.Truncate(bytes); err != nil {
		return nil, errors.Join(fmt.Errorf("make a file in memory: %w", err), f.Close())
	}
	return f, nil
}

// Seal forbids every later change of a file from NewMemoryFile. It fails while a process can
// write to the file through a mapping.
func Seal(f *os.File) error {
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal %s: %w", f.Name(), err)
	}
	return nil
}

func sealed(f *os.File) bool {
	has, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	return err == nil && has&seals == seals
}
