// Package flatten merges the layers of an OCI image into one tar stream in
// final order, in memory but for the files' contents. The rules are those of
// the OCI image specification ("Applying Changesets") as containerd's archive
// package carries them out, which the tests use as the oracle.
//
// Nothing in a layer is trusted: names never leave the root, links are resolved
// inside it, and sizes and counts are bounded.
package flatten

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/bangervm/banger/internal/fault"
)

// Budget bounds all layers of one image together. It is safe for concurrent use.
type Budget struct {
	bytes, entries       atomic.Int64
	maxBytes, maxEntries int64
}

// NewBudget returns a Budget of so many bytes of content and so many entries.
func NewBudget(maxBytes, maxEntries int64) *Budget {
	return &Budget{maxBytes: maxBytes, maxEntries: maxEntries}
}

func (b *Budget) spend(size int64) error {
	if size < 0 {
		return fault.New(fault.Invalid, "an entry of the image has the size %d", size)
	}
	if size > b.maxBytes || b.bytes.Add(size) > b.maxBytes {
		return fault.New(fault.Invalid, "the image's files are bigger than %d bytes", b.maxBytes)
	}
	if b.entries.Add(1) > b.maxEntries {
		return fault.New(fault.Invalid, "the image has more than %d entries", b.maxEntries)
	}
	return nil
}

// Index is one layer's headers, and where each file's content is.
type Index struct {
	entries []entry
}

// entry is one header. Its content is at offset of the layer's tar or, when it
// was sparse there, of the Side.
type entry struct {
	hdr    *tar.Header
	offset int64
	side   bool
}

// Side takes the content of sparse files, which in the tar is in pieces.
type Side interface {
	// Append copies r to the end, and returns where it begins.
	Append(r io.Reader) (offset int64, err error)
}

// ReadIndex reads an uncompressed layer to its end of file. Errors of r are
// returned as they came; a malformed tar is a fault Invalid.
func ReadIndex(ctx context.Context, r io.Reader, side Side, budget *Budget) (*Index, error) {
	counted := &countingReader{ctx: ctx, r: r}
	tr := tar.NewReader(counted)
	index := &Index{}
	for {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, counted.explain(err)
		}
		if err := budget.spend(hdr.Size); err != nil {
			return nil, err
		}
		e := entry{hdr: hdr, offset: counted.n}
		if isSparse(hdr) {
			e.side = true
			if e.offset, err = side.Append(tr); err != nil {
				return nil, counted.explain(err)
			}
		}
		if hdr.Typeflag != tar.TypeXGlobalHeader {
			index.entries = append(index.entries, e)
		}
	}
	// What follows the end of the archive is padding, and part of the digest.
	rest := budget.maxBytes
	if _, err := io.CopyN(io.Discard, counted, rest); !errors.Is(err, io.EOF) {
		if err == nil {
			err = fault.New(fault.Invalid, "more than %d bytes follow the end of the tar", rest)
		}
		return nil, err
	}
	return index, nil
}

func isSparse(hdr *tar.Header) bool {
	if hdr.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

type countingReader struct {
	ctx context.Context
	r   io.Reader
	n   int64
	err error
}

func (c *countingReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		c.err = err
		return 0, err
	}
	n, err := c.r.Read(b)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// explain tells an error of the stream from one of the tar in it.
func (c *countingReader) explain(err error) error {
	if c.err != nil {
		return c.err
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Invalid, "the tar ends in the middle of an entry, after %d bytes", c.n)
	}
	return fault.Wrap(fault.Invalid, err, "the tar cannot be read at byte %d", c.n)
}

func describe(hdr *tar.Header) string {
	name := hdr.Name
	if len(name) > 300 {
		name = name[:300] + "…"
	}
	return fmt.Sprintf("entry %q", name)
}
