package guestfiles

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/treecopy"
)

// packTar writes a tree whose first record was read, a directory, as a tar stream.
func packTar(tree *agentrpc.TreeReader, first agentrpc.TreeEntry, src string, w io.Writer, noted func(treecopy.Note) error) error {
	top := path.Base(src)
	if strings.HasSuffix(src, "/.") || top == ".." || top == "/" {
		top = "."
	}
	out := tar.NewWriter(w)
	buf := make([]byte, getBuffer)
	var err error
	for e := first; err == nil; e, err = tree.Next() {
		if err = packOne(tree, e, top, out, buf, noted); err != nil {
			return err
		}
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	return out.Close()
}

func packOne(tree *agentrpc.TreeReader, e agentrpc.TreeEntry, top string, out *tar.Writer, buf []byte, noted func(treecopy.Note) error) error {
	h := &tar.Header{Name: path.Join(top, e.Path), Mode: int64(e.Mode & 0o7777), ModTime: e.ModTime}
	switch e.Kind {
	case agentrpc.TreeNote:
		why, err := io.ReadAll(tree)
		if err != nil {
			return err
		}
		return noted(treecopy.Note{Path: e.Path, Why: string(why), Fault: e.Mode != 1})
	case agentrpc.TreeDir:
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		return out.WriteHeader(h)
	case agentrpc.TreeLink, agentrpc.TreeSame:
		to, err := io.ReadAll(tree)
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, string(to)
		if e.Kind == agentrpc.TreeSame {
			h.Typeflag, h.Linkname = tar.TypeLink, path.Join(top, string(to))
		}
		return out.WriteHeader(h)
	case agentrpc.TreePieces:
		h.Typeflag, h.Size = tar.TypeReg, e.Size
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		return packFile(tree, e.Size, out, buf)
	case agentrpc.TreeFile, agentrpc.TreeListed, agentrpc.TreeTop, agentrpc.TreeEnd, agentrpc.TreeError:
	}
	return fmt.Errorf("%w: kind %q in a copy", agentrpc.ErrTree, byte(e.Kind))
}

// packFile writes as many bytes as the header said, whatever the file has become.
func packFile(tree *agentrpc.TreeReader, size int64, out io.Writer, buf []byte) error {
	left := &limitedWriter{w: out, left: size}
	if err := readPieces(tree, left, buf); err != nil && !errors.Is(err, agentrpc.ErrPieces) {
		return err
	}
	return zeros(out, left.left, buf)
}

// limitedWriter drops what is over.
type limitedWriter struct {
	w    io.Writer
	left int64
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	part := p[:min(int64(len(p)), l.left)]
	n, err := l.w.Write(part)
	l.left -= int64(n)
	if err != nil {
		return n, err
	}
	return len(p), nil
}
