// Package vmlog reads what a VM has printed: console.log, and console.log.1
// before it, while the VM's monitor writes and rotates them. The log of its
// connections, egress.log, is kept and read in the same way.
package vmlog

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/bangervm/banger/internal/statedir"
)

// Options say which part of a console is wanted.
type Options struct {
	// Tail is how many lines from the end to begin with; negative: all.
	Tail int
	// Follow goes on with what is printed, until Alive says no (after a last
	// look) or the context ends. Alive is asked now and then while nothing is printed.
	Follow bool
	Alive  func() bool
}

// Open returns the console of a VM as a stream. The caller closes it. A VM
// that has printed nothing has an empty one.
func Open(ctx context.Context, dir statedir.VM, opts Options) (io.ReadCloser, error) {
	return open(ctx, dir, &reader{path: dir.Console(), before: dir.OldConsole()}, opts)
}

// OpenEgress returns the egress log of a VM as Open returns its console.
func OpenEgress(ctx context.Context, dir statedir.VM, opts Options) (io.ReadCloser, error) {
	return open(ctx, dir, &reader{path: dir.EgressLog(), before: dir.OldEgressLog()}, opts)
}

func open(ctx context.Context, dir statedir.VM, r *reader, opts Options) (io.ReadCloser, error) {
	if opts.Follow {
		w, err := watch(ctx, string(dir))
		if err != nil {
			return nil, err
		}
		r.watch, r.alive = w, opts.Alive
	}
	if err := r.begin(opts.Tail); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// reader reads what was before, and then what is, or becomes, path.
type reader struct {
	path   string
	before string
	old    *os.File // nil: read, or not wanted
	now    *os.File // nil: not there yet
	watch  *watcher // nil: not following
	alive  func() bool
	last   bool // the VM is not alive any more: what is there now is all
}

// begin opens the files and moves to the line at which to begin.
func (r *reader) begin(tail int) error {
	var err error
	if r.now, err = openIfThere(r.path); err != nil {
		return err
	}
	if r.old, err = openIfThere(r.before); err != nil || tail < 0 {
		return err
	}
	missing, err := seekTail(r.now, tail)
	if err != nil {
		return err
	}
	if missing == 0 && r.old != nil {
		err = r.old.Close()
		r.old = nil
		return err
	}
	_, err = seekTail(r.old, missing)
	return err
}

func openIfThere(path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil //nolint:nilnil // no file, no error: it has not printed yet
	}
	return f, err
}

// Read reads on. It returns io.EOF at the end of what was asked for.
func (r *reader) Read(p []byte) (int, error) {
	for {
		n, err := r.some(p)
		if n > 0 || err != nil {
			return n, err
		}
		if r.watch == nil || r.last {
			return 0, io.EOF
		}
		if err := r.watch.wait(); err != nil {
			return 0, err
		}
		r.last = !r.alive()
	}
}

// some reads what there is now; nothing is no error.
func (r *reader) some(p []byte) (int, error) {
	if r.old != nil {
		n, err := r.old.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, err
		}
		_ = r.old.Close()
		r.old = nil
	}
	for {
		if r.now != nil {
			n, err := r.now.Read(p)
			if n > 0 || !errors.Is(err, io.EOF) {
				return n, err
			}
		}
		rotated, err := r.next()
		if err != nil || !rotated {
			return 0, err
		}
	}
}

// next moves to a file at path that is not the one being read. The one before
// was read to its end after it had lost its name, so nothing is missed.
func (r *reader) next() (bool, error) {
	f, err := openIfThere(r.path)
	if f == nil || err != nil {
		return false, err
	}
	if r.now == nil {
		r.now = f
		return true, nil
	}
	was, err := r.now.Stat()
	if err == nil {
		var is os.FileInfo
		if is, err = f.Stat(); err == nil && !os.SameFile(was, is) {
			rest, readErr := moreThan(r.now)
			if readErr != nil || rest {
				_ = f.Close()
				return rest, readErr
			}
			_ = r.now.Close()
			r.now = f
			return true, nil
		}
	}
	_ = f.Close()
	return false, err
}

// moreThan reports whether f has grown beyond where it was read to.
func moreThan(f *os.File) (bool, error) {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return false, err
	}
	info, err := f.Stat()
	return err == nil && info.Size() > at, err
}

// Close ends the stream.
func (r *reader) Close() error {
	var errs []error
	for _, f := range []*os.File{r.old, r.now} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	if r.watch != nil {
		r.watch.close()
	}
	return errors.Join(errs...)
}
