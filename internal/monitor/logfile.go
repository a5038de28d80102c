package monitor

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// maxLog bounds console.log and egress.log, in bytes; with the one before it,
// console.log.1, a log takes at most twice that.
const maxLog = 8 << 20

// logFile is a file of bounded size: when it is full it becomes path.1, in
// place of the one before. A full disk loses what is written; it stops nobody.
// It is safe for concurrent use.
type logFile struct {
	path  string
	limit int64

	mu   sync.Mutex
	file *os.File
	size int64
}

// openLog begins the log of a new start; what is there becomes path.1.
func openLog(path string, limit int64) (*logFile, error) {
	l := &logFile{path: path, limit: limit}
	if err := l.rotate(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *logFile) rotate() error {
	if l.file != nil {
		if err := l.file.Close(); err != nil {
			return err
		}
		l.file = nil
	}
	if err := os.Rename(l.path, l.path+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("rotate a log: %w", err)
	}
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open a log: %w", err)
	}
	l.file, l.size = f, 0
	return nil
}

// Write is io.Writer; it takes all of p always, and never divides it.
func (l *logFile) Write(p []byte) (int, error) {
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
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
