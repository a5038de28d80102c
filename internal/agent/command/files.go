package command

import (
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/account"
)

// Files are a command's stdin, stdout and stderr, both ends of each: its own,
// and the agent's.
type Files struct {
	// In is where its input goes, or nil when it has none. With a terminal it is
	// the terminal.
	In *os.File
	// Terminal is the terminal, or nil.
	Terminal *os.File

	stdin, stdout, stderr *os.File // the command's own
	out, err              *os.File // err is nil with a terminal
}

// Size is a terminal's, in characters. Zero: 24 rows, 80 columns.
type Size struct{ Rows, Cols uint16 }

// OpenFiles makes a terminal of a command of user a when terminal is not nil,
// else pipes. Without input its stdin is /dev/null, or a terminal that nobody
// types on.
func OpenFiles(a account.Account, input bool, terminal *Size) (*Files, error) {
	f := &Files{}
	var err error
	if terminal != nil {
		f.Terminal, f.stdin, err = OpenTerminal(a, terminal.Rows, terminal.Cols)
		f.stdout, f.stderr, f.out = f.stdin, f.stdin, f.Terminal
		if input {
			f.In = f.Terminal
		}
		return f, err
	}
	if input {
		f.stdin, f.In, err = pipe()
	} else {
		f.stdin, err = Nothing()
	}
	if err == nil {
		f.out, f.stdout, err = pipe()
	}
	if err == nil {
		f.err, f.stderr, err = pipe()
	}
	if err != nil {
		f.closeOwn()
		f.closeOurs()
		return nil, err
	}
	return f, nil
}

// pipeBytes is what a command's pipe holds, in bytes: a command that writes fast
// is stopped less often. It takes memory when it is full only.
const pipeBytes = 256 << 10

func pipe() (r, w *os.File, err error) {
	if r, w, err = os.Pipe(); err != nil {
		return nil, nil, err
	}
	raw, err := w.SyscallConn()
	if err != nil {
		closeAll(r, w)
		return nil, nil, err
	}
	_ = raw.Control(func(fd uintptr) {
		_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeBytes) // without it, there is less room
	})
	return r, w, nil
}

// Start starts spec with these files. The command's own ends are closed in any
// case, all of them when it did not start: the error is a *StartError.
func (f *Files) Start(spec Spec) (*Process, error) {
	proc, err := Start(spec, f.stdin, f.stdout, f.stderr)
	f.closeOwn()
	if err != nil {
		f.closeOurs()
	}
	return proc, err
}

// outputs are what the command writes: stdout and stderr, or the one terminal.
func (f *Files) outputs() []*Output {
	if f.err == nil {
		return []*Output{{f: f.out}}
	}
	return []*Output{{f: f.out}, {f: f.err}}
}

// Release gives the files up after the command has ended and its Outputs are
// read. What it left running may go on writing to its pipes: that is read by
// nobody, but read. A terminal hangs up.
func (f *Files) Release() {
	closeAll(f.In, f.Terminal)
	if f.Terminal == nil {
		leftovers.drain(f.out)
		leftovers.drain(f.err)
	}
}

func (f *Files) closeOwn()  { closeAll(f.stdin, f.stdout, f.stderr) }
func (f *Files) closeOurs() { closeAll(f.In, f.Terminal, f.out, f.err) }

// closeAll closes each file; a terminal occurs more than once, and its second
// close does nothing.
func closeAll(fs ...*os.File) {
	for _, f := range fs {
		if f != nil {
			_ = f.Close()
		}
	}
}

// maxDrained bounds the pipes that are kept for what ended commands left
// running. One beyond them is closed, and who writes to it gets SIGPIPE.
const maxDrained = 1024

// leftovers are all such pipes of this process, whose descriptors they take.
var leftovers = drains{limit: maxDrained} //nolint:gochecknoglobals // the bound is the process's

// drains are pipes that are read until their last writer is gone, and what
// comes is dropped.
type drains struct {
	limit int

	// buffers are lent for one read each, so that a pipe that is silent holds none.
	buffers sync.Pool

	mu   sync.Mutex
	open int
}

// drain takes f over, and closes it at its end.
func (d *drains) drain(f *os.File) {
	d.mu.Lock()
	full := d.open >= d.limit
	if !full {
		d.open++
	}
	d.mu.Unlock()
	if full {
		_ = f.Close()
		return
	}
	go func() {
		d.discard(f)
		_ = f.Close()
		d.mu.Lock()
		d.open--
		d.mu.Unlock()
	}()
}

// discard reads f to its end.
func (d *drains) discard(f *os.File) {
	_ = f.SetReadDeadline(time.Time{})
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	for ended := false; !ended; {
		err := raw.Read(func(fd uintptr) (done bool) {
			buf, ok := d.buffers.Get().([]byte)
			if !ok {
				buf = make([]byte, discardPiece)
			}
			defer d.buffers.Put(buf) //nolint:staticcheck // a header a read is little beside the read
			n, err := readOnce(int(fd), buf)
			empty := errors.Is(err, errNothingYet)
			ended = n <= 0 && !empty
			return !empty
		})
		if err != nil {
			return
		}
	}
}

// discardPiece is how much is dropped at a time, in bytes.
const discardPiece = 16 << 10
