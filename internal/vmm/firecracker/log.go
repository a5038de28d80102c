package firecracker

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/bangervm/banger/internal/plain"
)

// maxSaid bounds one line of Firecracker's, in bytes.
const maxSaid = 2 << 10

// logReader reads Firecracker's log, of which it keeps the last line that says
// something. The log of the monitor bounds what is written there.
type logReader struct {
	log  *slog.Logger
	pipe *os.File
	done sync.WaitGroup

	mu   sync.Mutex
	last string
}

// startLog reads what open's pipe has. The caller passes theirs to Firecracker and
// closes it.
func startLog(log *slog.Logger, open func() (ours, theirs *os.File, err error)) (r *logReader, theirs *os.File, err error) {
	ours, theirs, err := open()
	if err != nil {
		return nil, nil, err
	}
	r = &logReader{log: log, pipe: ours}
	r.done.Go(r.read)
	return r, theirs, nil
}

func (r *logReader) read() {
	lines := bufio.NewReaderSize(r.pipe, maxSaid)
	for {
		line, err := lines.ReadSlice('\n')
		if text := said(string(line)); text != "" {
			r.log.Warn("Firecracker", "says", text)
			r.mu.Lock()
			r.last = text
			r.mu.Unlock()
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if !errors.Is(err, io.EOF) {
				r.log.Debug("Firecracker's log", "err", err)
			}
			return
		}
	}
}

// said is a line of the log without its time and thread; empty when it is only about
// Firecracker's coming and going.
func said(line string) string {
	_, text, ok := strings.Cut(plain.Line(line, maxSaid), "] ")
	if !ok {
		return ""
	}
	for _, prefix := range []string{"Running Firecracker", "Listening on API", "API server started", "Firecracker exiting", "Artificially kick"} {
		if strings.HasPrefix(text, prefix) {
			return ""
		}
	}
	return strings.TrimSpace(text)
}

// end waits for the end of the log, after that of Firecracker.
func (r *logReader) end() {
	r.done.Wait()
	_ = r.pipe.Close()
}

func (r *logReader) lastLine() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}
