package boundlog

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// File is a file of bounded size: when it is full it becomes path.1, in place
// of the one before, so that both take at most twice the limit. A full disk
// loses what is written; it stops nobody. It is safe for concurrent use.
type File struct {
	path   string
	limit  int64 // bytes
	opened func(*os.File) error

	mu   sync.Mutex
	file *os.File
	size int64
}

// Begin begins a new log of at most limit bytes; what is at path becomes path.1.
func Begin(path string, limit int64) (*File, error) {
	l := &File{path: path, limit: limit}
	if err := l.rotate(); err != nil {
		return nil, err
	}
	return l, nil
}

// Append goes on with the log at path. opened is called with each file that the
// log is written to, which it must not close; it may be nil.
func Append(path string, limit int64, opened func(*os.File) error) (*File, error) {
	l := &File{path: path, limit: limit, opened: opened}
	if err := l.open(0); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *File) rotate() error {
	if l.file != nil {
		if err := l.file.Close(); err != nil {
			return err
		}
		l.file = nil
	}
	if err := os.Rename(l.path, l.path+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("rotate a log: %w", err)
	}
	return l.open(os.O_TRUNC)
}

func (l *File) open(flag int) error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|flag, 0o600)
	if err != nil {
		return fmt.Errorf("open a log: %w", err)
	}
	info, err := f.Stat()
	if err == nil && l.opened != nil {
		err = l.opened(f)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open a log: %w", err), f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Write is io.Writer; it takes all of p always, and never divides it.
func (l *File) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil || l.size+int64(len(p)) > l.limit {
		if l.rotate() != nil {
			return len(p), nil
		}
	}
	n, _ := l.file.Write(p) // what a full disk does not take is lost
	l.size += int64(n)
	return len(p), nil
}

// Close closes the file.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
