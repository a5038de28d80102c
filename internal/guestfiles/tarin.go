package guestfiles

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/treecopy"
)

// unpackTar writes a tar stream as a tree into the target itself.
func unpackTar(ctx context.Context, r io.Reader, tree *agentrpc.TreeWriter, m *meter, noted func(treecopy.Note) error) error {
	if err := tree.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeTop, Path: ".", Mode: 1}, nil); err != nil {
		return err
	}
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "stdin is no tar stream")
		}
		e := agentrpc.TreeEntry{Path: tarPath(h.Name), Mode: uint32(h.Mode) & 0o7777, ModTime: h.ModTime}
		if err := agentrpc.CheckTreePath(e.Path); err != nil {
			return fault.New(fault.Invalid, "the tar stream has the path %q, which leads out of the target", h.Name)
		}
		if err := unpackOne(ctx, h, e, in, tree, m, noted); err != nil {
			return err
		}
	}
}

func unpackOne(ctx context.Context, h *tar.Header, e agentrpc.TreeEntry, in io.Reader, tree *agentrpc.TreeWriter, m *meter, noted func(treecopy.Note) error) error {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		e.Kind, e.Size = agentrpc.TreePieces, h.Size
		if err := tree.Entry(e, nil); err != nil {
			return err
		}
		if _, err := tree.Data(&countedReader{ctx: ctx, r: in, name: e.Path, meter: m}, h.Size); err != nil {
			return err
		}
		return tree.EndPieces()
	case tar.TypeDir:
		e.Kind = agentrpc.TreeDir
		return tree.Entry(e, nil)
	case tar.TypeSymlink:
		e.Kind = agentrpc.TreeLink
		return tree.Text(e, h.Linkname)
	case tar.TypeLink:
		e.Kind = agentrpc.TreeSame
		return tree.Text(e, tarPath(h.Linkname))
	case tar.TypeXGlobalHeader:
		return nil
	default:
		return noted(treecopy.Note{Path: e.Path, Why: "skipped, it is no file, directory or link"})
	}
}

// tarPath is a name of a tar stream as a path below the target, as tar takes it.
func tarPath(name string) string { return path.Clean(strings.TrimLeft(name, "/")) }
