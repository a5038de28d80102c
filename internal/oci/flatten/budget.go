package flatten

import (
	"cmp"
	"context"
	"io"
	"sync/atomic"

	"github.com/bangervm/banger/internal/fault"
)

// Limits bound what the layers of one image, all together, may take of the host.
// Zero fields have defaults.
type Limits struct {
	// Bytes of the uncompressed layers, headers and padding included, and of the
	// holes in their sparse files; 64 GiB.
	Bytes int64
	// Entries in all layers, and the directories that only paths of others name;
	// 2 Mi. With the file system's own tables, each takes about a KiB of memory.
	Entries int64
	// Names is bytes of names, link targets and extended attributes, which are
	// held in memory; 256 MiB.
	Names int64
	// Padding is bytes after the ends of the layers' tars; 64 MiB.
	Padding int64
	// Steps is parts of paths looked at, and of long headers, which is what the
	// merge spends its time on; 200 million, some ten seconds.
	Steps int64
}

const (
	maxHeaderBytes = 4 << 20 // of one entry, with the long names and records before it
	stepsPerLook   = 1 << 12 // between two looks at a context
	pathPerStep    = 8       // bytes of a path, when it is written, that count as a step
	plainHeader    = 4 << 10 // of one entry, that takes no time worth counting: most are smaller
	headerPerStep  = 4       // bytes of what a header has above that, which may be very many records
)

// Budget is what is left of an image's Limits. It is safe for concurrent use.
type Budget struct {
	limits                                Limits
	bytes, entries, names, padding, steps atomic.Int64
}

// NewBudget returns a Budget of which nothing is spent.
func NewBudget(l Limits) *Budget {
	return &Budget{limits: Limits{
		Bytes: cmp.Or(l.Bytes, 64<<30), Entries: cmp.Or(l.Entries, 2<<20), Names: cmp.Or(l.Names, 256<<20),
		Padding: cmp.Or(l.Padding, 64<<20), Steps: cmp.Or(l.Steps, 200_000_000),
	}}
}

// Holds refuses n bytes of compressed layers when they are more than the
// uncompressed ones may be.
func (b *Budget) Holds(n int64) error {
	if n < 0 || n > b.limits.Bytes {
		return fault.New(fault.Invalid, "the layers of the image have more than %s", fault.Bytes(b.limits.Bytes))
	}
	return nil
}

// Bound returns a reader of r that refuses to read more than Holds allows.
func (b *Budget) Bound(r io.Reader) io.Reader { return &boundReader{r: r, budget: b} }

type boundReader struct {
	r      io.Reader
	budget *Budget
	n      int64
}

func (b *boundReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if holdErr := b.budget.Holds(b.n); holdErr != nil {
		return n, holdErr
	}
	return n, err
}

func (b *Budget) spendBytes(n int64) error {
	if n > b.limits.Bytes || b.bytes.Add(n) > b.limits.Bytes {
		return fault.New(fault.Invalid, "the image is bigger than %s when it is unpacked", fault.Bytes(b.limits.Bytes))
	}
	return nil
}

// spendEntry pays for an entry and the bytes that are kept of its header.
func (b *Budget) spendEntry(names int64) error {
	if b.entries.Add(1) > b.limits.Entries {
		return fault.New(fault.Invalid, "the image has more than %d entries", b.limits.Entries)
	}
	if b.names.Add(names) > b.limits.Names {
		return fault.New(fault.Invalid, "the names and attributes of the image's files take more than %s", fault.Bytes(b.limits.Names))
	}
	return nil
}

func (b *Budget) spendPadding(n int64) error {
	if b.padding.Add(n) > b.limits.Padding {
		return fault.New(fault.Invalid, "more than %s follow the ends of the image's tars", fault.Bytes(b.limits.Padding))
	}
	return nil
}

// step pays for n steps. It returns ctx's error when that has ended.
func (b *Budget) step(ctx context.Context, n int) error {
	after := b.steps.Add(int64(n))
	if after > b.limits.Steps {
		return fault.New(fault.Invalid, "the image's paths are too long and too many to merge: more than %d steps", b.limits.Steps)
	}
	if after/stepsPerLook != (after-int64(n))/stepsPerLook {
		return ctx.Err()
	}
	return nil
}
