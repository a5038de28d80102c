package oci

import (
	"context"
	"errors"
	"io"
	"sync"
)

const (
	chunkSize  = 256 << 10
	chunkCount = 8
)

var errReaderGone = errors.New("the reader is gone")

// pipe hands bytes from one goroutine to another in big chunks, some ahead, so
// that both ends work at once. One goroutine writes, one reads.
type pipe struct {
	ctx        context.Context
	free, full chan []byte
	readerGone chan struct{}
	closeRead  sync.Once
	done       chan struct{} // closed by finish
	// tap sees each chunk as the reader takes it.
	tap func([]byte) error

	out     []byte // what the writer fills
	current []byte // the chunk that the reader holds
	rest    []byte // of it
	err     error  // of the writer; set before full is closed
	readErr error
}

func newPipe(ctx context.Context) *pipe {
	p := &pipe{
		ctx: ctx, free: make(chan []byte, chunkCount), full: make(chan []byte, chunkCount),
		readerGone: make(chan struct{}), done: make(chan struct{}),
	}
	for range chunkCount {
		p.free <- nil // made when first taken
	}
	return p
}

// readAhead reads r in its own goroutine, which ends when r does, or when
// Close is called and r's present Read returns.
func readAhead(ctx context.Context, r io.Reader) *pipe {
	p := newPipe(ctx)
	go func() {
		_, err := p.ReadFrom(r)
		p.finish(err)
	}()
	return p
}

func (p *pipe) take() error {
	if p.out != nil {
		return nil
	}
	select {
	case buf := <-p.free:
		if buf == nil {
			buf = make([]byte, 0, chunkSize)
		}
		p.out = buf[:0]
		return nil
	case <-p.readerGone:
		return errReaderGone
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

func (p *pipe) send() {
	if len(p.out) > 0 {
		p.full <- p.out // never blocks: there are as many places as chunks
		p.out = nil
	}
}

// ReadFrom writes all of r.
func (p *pipe) ReadFrom(r io.Reader) (total int64, err error) {
	for {
		if err := p.take(); err != nil {
			return total, err
		}
		n, err := r.Read(p.out[len(p.out):cap(p.out)])
		total += int64(n)
		p.out = p.out[:len(p.out)+n]
		if len(p.out) == cap(p.out) {
			p.send()
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Write implements io.Writer.
func (p *pipe) Write(b []byte) (total int, err error) {
	for len(b) > 0 {
		if err := p.take(); err != nil {
			return total, err
		}
		n := copy(p.out[len(p.out):cap(p.out)], b)
		p.out = p.out[:len(p.out)+n]
		total, b = total+n, b[n:]
		if len(p.out) == cap(p.out) {
			p.send()
		}
	}
	return total, nil
}

// finish ends the stream for the reader, with io.EOF when err is nil.
func (p *pipe) finish(err error) {
	p.send()
	p.err = err
	close(p.full)
	close(p.done)
}

// Read implements io.Reader.
func (p *pipe) Read(b []byte) (int, error) {
	if p.readErr != nil {
		return 0, p.readErr
	}
	if len(p.rest) == 0 {
		if p.readErr = p.next(); p.readErr != nil {
			return 0, p.readErr
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *pipe) next() error {
	if p.current != nil {
		p.free <- p.current // never blocks either
		p.current = nil
	}
	select {
	case chunk, ok := <-p.full:
		if !ok && p.err == nil {
			return io.EOF
		}
		if !ok {
			return p.err
		}
		p.current, p.rest = chunk, chunk
		if p.tap != nil {
			return p.tap(chunk)
		}
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

// Close tells the writer that nobody reads any more.
func (p *pipe) Close() error {
	p.closeRead.Do(func() { close(p.readerGone) })
	return nil
}

// join closes the pipe and waits for its writer to finish.
func (p *pipe) join() {
	_ = p.Close()
	<-p.done
}
