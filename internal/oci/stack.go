package oci

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/regularfile"
)

// stack is the files of an image under more layers.
type stack struct{ *content }

// Over returns the files of base, which Open or OverTar returned, under the layers in
// those files, the lowest first. Its Digest, known after Unpack, is that of the merged tar,
// whose files are in the order of their paths. Closing it closes base.
func (c *Client) Over(base image.Content, layers []image.LayerFile) (image.Content, error) {
	below, ok := base.(*content)
	if !ok {
		return nil, fault.New(fault.Internal, "the files below layers are a %T", base)
	}
	over := *below
	over.layers, over.byPath, over.info.Digest = slices.Clip(below.layers), true, ""
	for _, l := range layers {
		over.layers = append(over.layers, layer{
			what: "layer " + l.Path, digest: l.Digest, size: l.Bytes, diffID: l.DiffID,
			open: func(context.Context) (io.ReadCloser, error) {
				f, _, err := regularfile.Open(l.Path)
				if err != nil {
					return nil, err
				}
				return f, nil
			},
		})
	}
	return stack{&over}, nil
}

// OverTar is Over of the files in a tar, which write writes. Closing it closes source.
func (c *Client) OverTar(what string, info image.Info, write func(ctx context.Context, w io.Writer) error, source io.Closer, layers []image.LayerFile) (image.Content, error) {
	return c.Over(&content{
		client: c, info: info, source: source,
		layers: []layer{{what: what, size: -1, open: func(ctx context.Context) (io.ReadCloser, error) {
			r, w := io.Pipe()
			go func() { w.CloseWithError(write(ctx, w)) }()
			return r, nil
		}}},
	}, layers)
}

// Unpack implements image.Content.
func (s stack) Unpack(ctx context.Context, p operation.Progress, write func(io.Reader) error) error {
	hash := sha256.New()
	err := s.content.Unpack(ctx, p, func(r io.Reader) error {
		read := io.TeeReader(r, hash)
		if err := write(read); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, read) // a tar may be read no further than its end
		return err
	})
	if err != nil {
		return fmt.Errorf("stack layers: %w", err)
	}
	s.info.Digest = sum(hash)
	return nil
}
