package oci

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/oci/flatten"
	"github.com/bangervm/banger/internal/regularfile"
)

// openTar makes an image of one layer of a root filesystem's tar.
func (c *Client) openTar(ref image.Ref, input io.Reader) (image.Content, error) {
	want := c.host.aimed(ref.Platform)
	out := &content{
		client: c, info: image.Info{Architecture: want.arch, Variant: want.asked.Variant, OS: "linux"},
		rules: flatten.Rules{KeepLinked: true}, check: refuseArchives,
	}
	l := layer{what: ref.String(), size: -1, seen: func(digest string) { out.info.Digest = digest }}
	if ref.Path == image.Stdin {
		l.open = func(ctx context.Context) (io.ReadCloser, error) { return newInput(ctx, input), nil }
	} else {
		f, info, err := regularfile.Open(ref.Path)
		if err != nil {
			return nil, err
		}
		out.source, l.local, l.size = f, f, info.Size()
		l.open = func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(f, 0, 1<<62)), nil
		}
	}
	out.layers = []layer{l}
	return out, nil
}

// refuseArchives tells an image's archive, which a root filesystem's tar was
// meant to be.
func refuseArchives(tree *flatten.Tree) error {
	if slices.ContainsFunc([]string{"bin", "etc", "usr", "sbin", "lib"}, tree.Has) {
		return nil
	}
	switch {
	case tree.Has("manifest.json"):
		return fault.New(fault.Invalid, "the tar holds an image as docker save writes it, not the files of a root filesystem").
			Try(act.ImagePull.On("docker-archive:FILE"))
	case tree.Has("oci-layout") && tree.Has("index.json"):
		return fault.New(fault.Invalid, "the tar holds an OCI image, not the files of a root filesystem").
			Try(act.ImagePull.On("oci-archive:FILE"))
	}
	return nil
}

// input is the bytes that came with the request.
type input struct {
	io.Reader
	close func() error
}

func newInput(ctx context.Context, r io.Reader) *input {
	closer, ok := r.(io.Closer)
	if !ok {
		return &input{Reader: r, close: func() error { return nil }}
	}
	stop := context.AfterFunc(ctx, func() { _ = closer.Close() })
	return &input{Reader: r, close: func() error {
		stop()
		return closer.Close()
	}}
}

// Read implements io.Reader.
func (in *input) Read(b []byte) (int, error) {
	n, err := in.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fault.Wrap(fault.Unavailable, err, "the tar file on stdin ended early")
	}
	return n, err
}

// Close implements io.Closer.
func (in *input) Close() error { return in.close() }
