package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/statedir"
)

const (
	tries     = 4 // to go on after a connection that broke
	keepFor   = 7 * 24 * time.Hour
	readChunk = 256 << 10
)

// File fetches the file with this sha256 (hex) and size in bytes, and returns the
// path where it is: whole and verified. The caller removes it when it is used.
// What a call that was cut off or cancelled has fetched, the next one goes on
// from. What has another hash, or more than size bytes, is Invalid and removed; a
// server that stops or trickles is Unavailable. It is Busy while another call
// fetches the same file.
func (c *Client) File(ctx context.Context, address, sum string, size int64, p operation.Progress) (string, error) {
	if err := catalog.CheckURL(address); err != nil {
		return "", err
	}
	if !catalog.ValidSHA256(sum) || size <= 0 {
		return "", fault.New(fault.Invalid, "%s has no valid hash and size", address)
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return "", statedir.DiskFault(err, c.dir)
	}
	release, err := c.take(sum)
	if err != nil {
		return "", fmt.Errorf("%s: %w", address, err)
	}
	defer release()
	path := filepath.Join(c.dir, sum)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", statedir.DiskFault(err, path)
	}
	t := &transfer{c: c, address: address, size: size, f: f, hash: sha256.New(), progress: p, room: statedir.NewRoom(c.dir), path: path}
	err = t.run(ctx)
	if got := hex.EncodeToString(t.hash.Sum(nil)); err == nil && got != sum {
		err = fault.New(fault.Invalid, "%s has the sha256 %s; the catalog says %s", address, got, sum).
			WithHint("try again later; if it stays so, tell the catalog's publisher")
		t.spoilt = true
	}
	err = errors.Join(err, statedir.DiskFault(f.Close(), path))
	if t.spoilt {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return "", err
	}
	return path, nil
}

func (c *Client) take(sum string) (release func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[sum] {
		return nil, fault.New(fault.Busy, "the file is being downloaded already").WithHint("try again when that is done")
	}
	c.busy[sum] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.busy, sum)
	}, nil
}

// transfer is one File under way. What is in the file is hashed.
type transfer struct {
	c        *Client
	address  string
	size     int64
	path     string
	f        *os.File
	hash     hash.Hash
	have     int64
	spoilt   bool // nothing of it is of use
	again    bool // the connection broke: to go on may help
	progress operation.Progress
	room     *statedir.Room
}

func (t *transfer) run(ctx context.Context) error {
	if err := t.resume(ctx); err != nil {
		return err
	}
	var err error
	for range tries {
		before := t.have
		if t.have == t.size {
			return nil
		}
		t.again = false
		err = t.once(ctx)
		if err == nil || ctx.Err() != nil || t.have <= before || !t.again {
			break
		}
		t.progress.Detail("going on at %s: %v", fault.Bytes(t.have), err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// resume takes over what an earlier call has left.
func (t *transfer) resume(ctx context.Context) error {
	n, err := io.Copy(t.hash, readerOf(ctx, t.f))
	if err != nil {
		return err
	}
	if n > t.size {
		return t.restart()
	}
	t.have = n
	if n > 0 {
		t.progress.Detail("going on at %s", fault.Bytes(n))
	}
	return nil
}

func (t *transfer) restart() error {
	t.hash.Reset()
	t.have = 0
	if _, err := t.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return t.f.Truncate(0)
}

// once asks for what is missing and stores what comes.
func (t *transfer) once(ctx context.Context) error {
	header := http.Header{}
	if t.have > 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(t.have, 10)+"-")
	}
	body, resp, err := t.c.open(ctx, t.address, header)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // read only
	if f, ok := body.(*os.File); ok {
		if _, err := f.Seek(t.have, io.SeekStart); err != nil {
			return err
		}
		return t.store(ctx, f)
	}
	switch {
	case resp.StatusCode == http.StatusPartialContent && t.have > 0:
		if want := fmt.Sprintf("bytes %d-", t.have); !strings.HasPrefix(resp.Header.Get("Content-Range"), want) {
			return fault.New(fault.Invalid, "%s sends the range %q, not what follows byte %d", t.address, resp.Header.Get("Content-Range"), t.have)
		}
	case resp.StatusCode == http.StatusOK: // all of it, whatever was asked for
		if err := t.restart(); err != nil {
			return err
		}
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		t.spoilt = true
		return fault.New(fault.Invalid, "%s has less than %s; the catalog says %s", t.address, fault.Bytes(t.have), fault.Bytes(t.size))
	default:
		return statusFault(t.address, resp)
	}
	return t.store(ctx, body)
}

// store writes what comes, as long as it comes fast enough and is not too much.
func (t *transfer) store(ctx context.Context, body io.Reader) error {
	started, first := t.c.opts.Now(), t.have
	buf := make([]byte, readChunk)
	for {
		n, err := body.Read(buf)
		if t.have+int64(n) > t.size {
			t.spoilt = true
			return fault.New(fault.Invalid, "%s sends more than the %s that the catalog says", t.address, fault.Bytes(t.size))
		}
		if werr := t.write(buf[:n]); werr != nil {
			return werr
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF) && t.have == t.size:
			return nil
		case err != nil:
			return t.broken(ctx, err)
		}
		if took := t.c.opts.Now().Sub(started); took > t.c.opts.Grace && t.have-first < int64(took.Seconds())*t.c.opts.MinRate {
			return fault.New(fault.Unavailable, "%s sends only %s in %s", t.address, fault.Bytes(t.have-first), took.Round(time.Second)).
				WithHint("try again later: what is here already is kept")
		}
	}
}

func (t *transfer) broken(ctx context.Context, err error) error {
	t.again = true
	if errors.Is(err, io.EOF) {
		return fault.New(fault.Unavailable, "%s ends after %s of %s", t.address, fault.Bytes(t.have), fault.Bytes(t.size))
	}
	return unreachable(ctx, t.address, err)
}

func (t *transfer) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := t.room.Take(int64(len(b))); err != nil {
		return err
	}
	if _, err := t.f.Write(b); err != nil {
		return statedir.DiskFault(err, t.path)
	}
	t.hash.Write(b)
	t.have += int64(len(b))
	t.progress.Count(t.have, t.size, "bytes")
	return nil
}

// readerOf is r until ctx ends.
func readerOf(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Sweep removes what was left unfinished a week ago.
func (c *Client) Sweep(ctx context.Context) error {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil || c.opts.Now().Sub(info.ModTime()) < keepFor {
			continue
		}
		if err := os.RemoveAll(filepath.Join(c.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
