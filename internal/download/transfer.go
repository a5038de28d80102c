package download

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/wholefile"
)

// maxAddress is more than the longest URL, in bytes.
const maxAddress = 4 << 10

// transfer is one File under way. What is in the file is hashed.
type transfer struct {
	c        *Client
	address  string
	size     int64
	path     string
	from     string // the URL that the last bytes are from; empty: there are none
	f        *os.File
	hash     hash.Hash
	have     int64
	kept     int64 // bytes of it that an earlier call left
	spoilt   bool  // nothing of it is of use
	again    bool  // the connection broke: to go on may help
	progress operation.Progress
	room     *statedir.Room
}

// run fetches the file with this sha256. What an earlier call left may be of another server,
// or damaged: where the whole is not what it must be, all is fetched once more.
func (t *transfer) run(ctx context.Context, sum string) error {
	if err := t.resume(ctx); err != nil {
		return err
	}
	err := t.verified(ctx, sum)
	if !t.spoilt || t.kept == 0 {
		return err
	}
	t.progress.Detail("the %s that an earlier download left do not fit: downloading all", fault.Bytes(t.kept))
	if err := t.restart(); err != nil {
		return err
	}
	t.spoilt = false
	return t.verified(ctx, sum)
}

// verified fetches what is missing, and compares the whole with its hash.
func (t *transfer) verified(ctx context.Context, sum string) error {
	if err := t.rest(ctx); err != nil {
		return err
	}
	if got := hex.EncodeToString(t.hash.Sum(nil)); got != sum {
		t.spoilt = true
		return fault.New(fault.Invalid, "%s has the sha256 %s; the catalog says %s", t.address, got, sum).
			WithHint("try again later; if it happens again, tell the catalog's publisher")
	}
	return nil
}

func (t *transfer) rest(ctx context.Context) error {
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
		t.progress.Detail("resuming at %s: %v", fault.Bytes(t.have), err)
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
	t.have, t.kept = n, n
	if n > 0 {
		t.from = t.readFrom()
		t.progress.Detail("resuming at %s", fault.Bytes(n))
	}
	return nil
}

func (t *transfer) restart() error {
	t.hash.Reset()
	t.have, t.kept = 0, 0
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
	body, head, err := t.c.open(ctx, t.address, header)
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
	case head.status == http.StatusPartialContent && t.have > 0:
		if want := fmt.Sprintf("bytes %d-", t.have); !strings.HasPrefix(head.header.Get("Content-Range"), want) {
			return fault.New(fault.Invalid, "%s sends the range %q, not what follows byte %d", t.address, head.header.Get("Content-Range"), t.have)
		}
	case head.status == http.StatusOK: // all of it, whatever was asked for
		if err := t.restart(); err != nil {
			return err
		}
	case head.status == http.StatusRequestedRangeNotSatisfiable:
		t.spoilt = true
		return fault.New(fault.Invalid, "%s has less than %s; the catalog says %s", t.address, fault.Bytes(t.have), fault.Bytes(t.size))
	default:
		return statusFault(t.address, head.status)
	}
	return t.store(ctx, body)
}

// readFrom is the URL that an earlier call noted, or else this one's.
func (t *transfer) readFrom() string {
	f, _, err := regularfile.Open(t.path + fromSuffix)
	if err != nil {
		return t.address
	}
	defer f.Close() //nolint:errcheck // read only
	noted, err := io.ReadAll(io.LimitReader(f, maxAddress))
	if err != nil || catalog.CheckURL(string(noted)) != nil {
		return t.address
	}
	return string(noted)
}

// note says where the next bytes are from, for a call that finds all of them.
func (t *transfer) note() error {
	t.from = t.address
	return statedir.DiskFault(wholefile.Replace(t.path+fromSuffix, strings.NewReader(t.from), 0o600), t.path)
}

// store writes what comes, as long as it comes fast enough and is not too much.
func (t *transfer) store(ctx context.Context, body io.Reader) error {
	if err := t.note(); err != nil {
		return err
	}
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
				WithHint("try again later: the part already downloaded is kept")
		}
	}
}

func (t *transfer) broken(ctx context.Context, err error) error {
	t.again = true
	if errors.Is(err, io.EOF) {
		return fault.New(fault.Unavailable, "%s ends after %d of %d bytes", t.address, t.have, t.size)
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
