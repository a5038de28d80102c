package oci

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/oci/flatten"
	"github.com/bangervm/banger/internal/statedir"
)

// index reads a layer once: it verifies its digests, stores it in the cache,
// spools it uncompressed unless it can be read where it is, and returns its
// headers. A cached blob that turns out to be damaged is fetched again.
func (c *Client) index(ctx context.Context, l layer, s *spool, budget *flatten.Budget, count func(int64)) (*flatten.Index, error) {
	if l.remote {
		f, err := c.cache.open(l.digest)
		if err != nil {
			return nil, err
		}
		if f != nil {
			c.cache.used(l.digest, time.Now())
			cached := l
			cached.local = f
			cached.open = func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(io.NewSectionReader(f, 0, 1<<62)), nil
			}
			index, err := c.read(ctx, cached, s, budget, count, pass)
			if s.plain == f {
				s.files = append(s.files, f)
			} else {
				err = errors.Join(err, f.Close())
			}
			if !isMismatch(err) {
				return index, err
			}
			if err := c.cache.drop(l.digest); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
		}
	}
	if !l.remote {
		return c.read(ctx, l, s, budget, count, pass)
	}
	for {
		index, err := c.read(ctx, l, s, budget, count, func(r io.Reader) (io.Reader, func(), error) {
			k, err := c.cache.keep(r, l.digest)
			if err != nil {
				return nil, nil, err
			}
			return k, func() { _ = k.Close() }, nil
		})
		if err == nil || ctx.Err() != nil || l.elsewhere == nil || !l.elsewhere(err) {
			return index, err
		}
	}
}

// pass keeps nothing.
func pass(r io.Reader) (io.Reader, func(), error) { return r, func() {}, nil }

func isMismatch(err error) bool {
	_, ok := errors.AsType[*mismatchError](err)
	return ok
}

// read is the pipeline of one layer, each line a goroutine:
//
//	open → verify → keep in the cache
//	decompress
//	hash → spool → index
//
// An uncompressed layer is hashed once: both its digests are of the same bytes.
func (c *Client) read(ctx context.Context, l layer, s *spool, budget *flatten.Budget, count func(int64),
	keep func(io.Reader) (io.Reader, func(), error),
) (*flatten.Index, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	raw, err := l.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.what, err)
	}
	verified := newVerifier(budget.Bound(raw), l.what, l.digest, l.size, count)
	first, discard, err := keep(verified)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	ahead := readAhead(ctx, first)
	defer func() {
		cancel()
		_ = raw.Close() // ends a Read under way
		ahead.join()
		discard()
	}()
	index, err := c.indexPlain(ctx, l, s, ahead, verified, budget)
	if err != nil && ctx.Err() == nil {
		// Damaged bytes fail in many ways: the digest tells it best.
		if _, drainErr := io.Copy(io.Discard, io.LimitReader(ahead, maxDrain)); drainErr != nil {
			err = drainErr
		}
	}
	if err != nil {
		return nil, err
	}
	if l.seen != nil {
		l.seen(verified.sum())
	}
	return index, nil
}

// maxDrain bounds how much of a layer that is broken already is read to see
// whether its digest is right.
const maxDrain = 4 << 30

// indexPlain decompresses, hashes, spools and indexes what verified has read into raw.
func (c *Client) indexPlain(ctx context.Context, l layer, s *spool, raw io.Reader, verified *verifier, budget *flatten.Budget) (*flatten.Index, error) {
	plain, compressed, err := decompress(raw)
	if err != nil {
		return nil, decompressFault(l, err)
	}
	defer func() { _ = plain.Close() }()
	if err := c.prepareSpool(l, s, compressed); err != nil {
		return nil, err
	}
	in, diff := io.Reader(plain), verified.hash
	if compressed {
		diff = sha256.New()
	}
	if s.scratch != nil {
		ahead := readAhead(ctx, plain)
		defer ahead.join()
		ahead.tap = c.spooler(s.scratch, diff, compressed && l.diffID != "")
		in = ahead
	}
	index, err := flatten.ReadIndex(ctx, in, s.side, budget)
	if err != nil {
		return nil, decompressFault(l, err)
	}
	// The decompressor may have stopped before the end of its input.
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return nil, err
	}
	if l.diffID != "" && sum(diff) != l.diffID {
		return nil, mismatch("%s has the wrong digest when decompressed: got %s, want %s", l.what, sum(diff), l.diffID)
	}
	return index, nil
}

// spooler writes what passes to f, and hashes it if asked.
func (c *Client) spooler(f *os.File, diff hash.Hash, hashed bool) func([]byte) error {
	room := statedir.NewRoom(c.cache.dir)
	return func(chunk []byte) error {
		if hashed {
			_, _ = diff.Write(chunk)
		}
		if err := room.Take(int64(len(chunk))); err != nil {
			return err
		}
		_, err := f.Write(chunk)
		return statedir.DiskFault(err, filepath.Join(c.cache.dir, "a layer"))
	}
}

func (c *Client) prepareSpool(l layer, s *spool, compressed bool) error {
	if !compressed && l.local != nil {
		s.plain, s.scratch = l.local, nil
		return nil
	}
	f, err := c.cache.scratch()
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	s.plain, s.scratch = f, f
	return nil
}

// decompressFault tells a decompressor's complaint from an error that is a
// fault, or ours, already.
func decompressFault(l layer, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", l.what, err)
	}
	return fault.Wrap(fault.Invalid, err, "cannot decompress %s", l.what)
}
