// Package flatten merges the layers of an OCI image into one tar stream in
// final order, in memory but for the files' contents. The rules are those of
// the OCI image specification ("Applying Changesets") as containerd's archive
// package carries them out, which the tests use as the oracle.
//
// Nothing in a layer is trusted: names never leave the root, links are resolved
// inside it, and what an image takes of memory, disk and time is paid for from
// its Budget.
package flatten

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// Index is one layer's headers, and where each file's content is.
type Index struct {
	entries []entry
}

// Side takes the content of sparse files, which in the tar is in pieces.
type Side interface {
	// Append copies size bytes of r, and returns where they begin.
	Append(r io.Reader, size int64) (offset int64, err error)
}

// ReadIndex reads an uncompressed layer to its end of file. Errors of r are
// returned as they came; a malformed tar is a fault Invalid.
func ReadIndex(ctx context.Context, r io.Reader, side Side, budget *Budget) (*Index, error) {
	in := &layerReader{ctx: ctx, r: r, budget: budget}
	tr := tar.NewReader(in)
	index := &Index{}
	for {
		hdr, err := in.next(tr)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, in.explain(err)
		}
		if isMeta(hdr.Typeflag) {
			if err := budget.spendEntry(0); err != nil {
				return nil, err
			}
			continue
		}
		e, err := newEntry(hdr)
		if err != nil {
			return nil, err
		}
		if err := budget.spendEntry(e.kept()); err != nil {
			return nil, err
		}
		e.offset = in.n
		if isSparse(hdr) {
			if err := budget.spendBytes(hdr.Size); err != nil { // its holes are not in the layer
				return nil, err
			}
			e.side = true
			if e.offset, err = side.Append(tr, hdr.Size); err != nil {
				return nil, in.explain(err)
			}
		}
		index.entries = append(index.entries, e)
	}
	return index, in.padding()
}

// isMeta tells headers that are about the archive: global records, and the label
// that GNU tar's -V writes.
func isMeta(typ byte) bool { return typ == tar.TypeXGlobalHeader || typ == 'V' }

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

// layerReader pays for what is read of a layer, and counts it.
type layerReader struct {
	ctx    context.Context
	r      io.Reader
	budget *Budget
	n      int64
	header int64 // where the header that is being read must have ended; 0: none is
	err    error
}

// next reads the next header. What is left of the content before it is read
// first, so that the header can be held to its size.
func (l *layerReader) next(tr *tar.Reader) (*tar.Header, error) {
	if l.n > 0 {
		if _, err := io.Copy(io.Discard, tr); err != nil {
			return nil, err
		}
	}
	start := l.n
	l.header = start + maxHeaderBytes
	hdr, err := tr.Next()
	l.header = 0
	if err != nil {
		return nil, err
	}
	return hdr, l.budget.step(l.ctx, int(max(0, l.n-start-plainHeader)/headerPerStep))
}

// padding reads what follows the end of the archive: it is part of the digest.
func (l *layerReader) padding() error {
	buf := make([]byte, 32<<10)
	for {
		n, err := l.Read(buf)
		if err := l.budget.spendPadding(int64(n)); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (l *layerReader) Read(b []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		l.err = err
		return 0, err
	}
	if l.header > 0 && l.n >= l.header {
		l.err = fault.New(fault.Invalid, "an entry's header has more than %s", fault.Bytes(maxHeaderBytes))
		return 0, l.err
	}
	n, err := l.r.Read(b)
	l.n += int64(n)
	if err == nil || errors.Is(err, io.EOF) {
		if spendErr := l.budget.spendBytes(int64(n)); spendErr != nil {
			err = spendErr
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	return n, err
}

// explain tells an error of the stream from one of the tar in it.
func (l *layerReader) explain(err error) error {
	if l.err != nil {
		return l.err
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Invalid, "the tar ends in the middle of an entry, after %d bytes", l.n)
	}
	return fault.Wrap(fault.Invalid, err, "cannot read the tar file at byte %d", l.n)
}
