package oci

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/oci/flatten"
	"github.com/bangervm/banger/internal/operation"
)

// layer is one layer of an image, and how its bytes are had.
type layer struct {
	what   string // for messages
	digest string // of the bytes as they come; empty: not known
	size   int64  // of them; negative: not known
	diffID string // digest of the uncompressed tar; empty: not known
	// open returns the bytes, unverified. It may be called again.
	open func(ctx context.Context) (io.ReadCloser, error)
	// local is set when the bytes can be read at any place and stay there.
	local io.ReaderAt
	// remote says that the bytes belong into the cache.
	remote bool
	// elsewhere reports whether open leads to another place from now on, after
	// this error; may be nil.
	elsewhere func(error) bool
	// seen is told the digest of the bytes as they came.
	seen func(digest string)
}

// content implements image.Content.
type content struct {
	client *Client
	info   image.Info
	layers []layer
	// documents are the manifest and the configuration, if they belong into the cache.
	documents [][]byte
	source    io.Closer // of local layers; may be nil
	rules     flatten.Rules
	// byPath says that the merged files are in the order of their paths.
	byPath bool
	// warnings may be nil.
	warnings *warnings
	// check refuses files that are plainly not meant; may be nil.
	check func(*flatten.Tree) error
}

func (c *content) Info() image.Info { return c.info }

func (c *content) Close() error {
	if c.source == nil {
		return nil
	}
	return c.source.Close()
}

// Unpack reads each layer once, side by side, to learn its headers, and then
// writes the merged files in final order.
func (c *content) Unpack(ctx context.Context, p operation.Progress, write func(io.Reader) error) (err error) {
	release := c.client.pins.hold(c.layers)
	defer func() {
		release()
		c.client.trim(context.WithoutCancel(ctx))
	}()
	spools := c.client.newSpools(len(c.layers))
	defer func() { err = errors.Join(err, spools.close()) }()
	budget := flatten.NewBudget(c.client.opts.Limits)
	p.Stage(image.StageFetch)
	c.warn(p)
	indexes, err := c.fetch(ctx, p, spools, budget)
	if err != nil {
		return err
	}
	c.warn(p)
	tree := flatten.NewTree(budget, c.rules)
	for i, index := range indexes {
		if err := tree.Apply(ctx, i, index); err != nil {
			return err
		}
		indexes[i] = nil
	}
	if c.check != nil {
		if err := c.check(tree); err != nil {
			return err
		}
	}
	p.Stage(image.StageUnpack)
	into := tree.WriteTo
	if c.byPath {
		into, spools.anyOrder = tree.WriteByPath, true
	}
	if err := emit(ctx, into, spools, p, write); err != nil {
		return err
	}
	for _, raw := range c.documents {
		c.client.cache.keepDocument(raw)
	}
	return nil
}

// warn tells what went wrong and was made good.
func (c *content) warn(p operation.Progress) {
	if c.warnings == nil {
		return
	}
	if text := c.warnings.text(); text != "" {
		p.Detail("warning: %s", text)
	}
}

func (c *content) fetch(ctx context.Context, p operation.Progress, spools *spools, budget *flatten.Budget) ([]*flatten.Index, error) {
	total := int64(0)
	for _, l := range c.layers {
		total += max(0, l.size)
		if err := budget.Holds(total); err != nil {
			return nil, err
		}
	}
	var done atomic.Int64
	count := func(n int64) { p.Count(done.Add(n), total, "bytes") }
	p.Count(0, total, "bytes")
	indexes := make([]*flatten.Index, len(c.layers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.client.opts.Parallel)
	for i, l := range c.layers {
		group.Go(func() (err error) {
			indexes[i], err = c.client.index(ctx, l, spools.layer(i), budget, count)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return indexes, nil
}

// writeTree is a method of a flatten.Tree.
type writeTree func(ctx context.Context, w io.Writer, contents flatten.Contents, each func(done, total int64)) error

// emit merges in one goroutine while write works in another.
func emit(ctx context.Context, into writeTree, contents flatten.Contents, p operation.Progress, write func(io.Reader) error) error {
	group, ctx := errgroup.WithContext(ctx)
	stream := newPipe(ctx)
	group.Go(func() error {
		err := into(ctx, stream, contents, func(done, total int64) { p.Count(done, total, "bytes") })
		stream.finish(err)
		if errors.Is(err, errReaderGone) {
			return nil // the reader says why
		}
		return err
	})
	group.Go(func() error {
		defer func() { _ = stream.Close() }()
		return write(stream)
	})
	return group.Wait()
}
