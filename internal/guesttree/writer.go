package guesttree

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/ext4"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

const (
	maxPath     = 4096
	maxName     = 255
	xattrRecord = "SCHILY.xattr."
)

// writer writes files as a tar: a file with several names once, and then links to it.
type writer struct {
	// layer has what the image has not, and marks of what of the image is hidden; nil:
	// everything is written.
	layer *changes

	ctx    context.Context
	tar    *tar.Writer
	budget *budget
	buf    []byte
	// first is the first name of each file that has several.
	first map[place]string
	// entered are directories, each in the one before, that are written once something in
	// them is. The first ones, as many as written, are.
	entered []entered
	written int
}

type entered struct {
	name string
	dir  file
}

func newWriter(ctx context.Context, w io.Writer, b *budget) *writer {
	return &writer{ctx: ctx, tar: tar.NewWriter(w), budget: b, buf: make([]byte, 256<<10), first: map[place]string{}}
}

// enter goes into a directory that is of no account without something in it.
func (w *writer) enter(name string, dir file) { w.entered = append(w.entered, entered{name, dir}) }

// leave goes out of the directory that enter went into.
func (w *writer) leave() {
	w.entered = w.entered[:len(w.entered)-1]
	w.written = min(w.written, len(w.entered))
}

// around writes the directories that were entered and are not written yet, each before
// those in it.
func (w *writer) around() error {
	for w.written < len(w.entered) {
		next := w.entered[w.written]
		hdr, err := w.dirHeader(next.name, next.dir)
		if err != nil {
			return err
		}
		w.written++
		if err := w.write(hdr); err != nil {
			return err
		}
	}
	return nil
}

// dir writes a directory. Its name ends with a slash.
func (w *writer) dir(name string, f file) error {
	hdr, err := w.dirHeader(name, f)
	if err != nil {
		return err
	}
	return w.put(hdr)
}

func (w *writer) dirHeader(name string, f file) (*tar.Header, error) {
	hdr, err := w.header(name, f)
	if err != nil {
		return nil, err
	}
	hdr.Typeflag = tar.TypeDir
	return hdr, nil
}

// file writes what is no directory.
func (w *writer) file(name string, f file) error {
	if f.node.Type == ext4.TypeSocket {
		return nil
	}
	hdr, err := w.header(name, f)
	if err != nil {
		return err
	}
	if f.node.Links > 1 || f.shared {
		at := place{f.fs, f.node.Number}
		if first, written := w.first[at]; written { // in a layer, its header describes the file anew
			hdr.Typeflag, hdr.Linkname = tar.TypeLink, first
			return w.put(hdr)
		}
		if err := w.budget.names(len(name)); err != nil { // they are kept until the end
			return err
		}
		w.first[at] = name
	}
	return w.content(hdr, f)
}

// content writes a file under the first of its names.
func (w *writer) content(hdr *tar.Header, f file) (err error) {
	switch f.node.Type {
	case ext4.TypeRegular:
		return w.regular(hdr, f)
	case ext4.TypeSymlink:
		hdr.Typeflag = tar.TypeSymlink
		if hdr.Linkname, err = f.fs.Readlink(w.ctx, f.node); err != nil {
			return err
		}
		if err := w.budget.names(len(hdr.Linkname)); err != nil {
			return err
		}
	case ext4.TypeChar:
		hdr.Typeflag = tar.TypeChar
	case ext4.TypeBlock:
		hdr.Typeflag = tar.TypeBlock
	case ext4.TypeFIFO:
		hdr.Typeflag = tar.TypeFifo
	default:
		return fault.New(fault.Invalid, "%q has the unknown type %#x", plain.Value(hdr.Name), f.node.Type)
	}
	return w.put(hdr)
}

func (w *writer) header(name string, f file) (*tar.Header, error) {
	if len(name) > maxPath {
		return nil, fault.New(fault.Invalid, "a path has %d bytes; at most %d are possible", len(name), maxPath)
	}
	n := f.node
	hdr := &tar.Header{
		Name: name, Mode: int64(n.Mode), Uid: int(n.UID), Gid: int(n.GID), ModTime: n.ModTime,
		Devmajor: int64(n.Major), Devminor: int64(n.Minor),
	}
	if epoch := time.Unix(0, 0); hdr.ModTime.Before(epoch) {
		hdr.ModTime = epoch
	}
	if n.Type == ext4.TypeSymlink {
		hdr.Mode = 0o777 // it has no other
	}
	attrs, err := f.fs.Xattrs(n)
	if err != nil {
		return nil, err
	}
	for key, value := range attrs {
		if !takesXattr(n, key) {
			continue
		}
		if hdr.PAXRecords == nil {
			hdr.PAXRecords = map[string]string{}
		}
		hdr.PAXRecords[xattrRecord+key] = value
		if err := w.budget.names(len(key) + len(value)); err != nil {
			return nil, err
		}
	}
	if hdr.ModTime.Nanosecond() != 0 || len(hdr.PAXRecords) > 0 {
		hdr.Format = tar.FormatPAX
	}
	return hdr, nil
}

// takesXattr leaves out what a tar cannot hold, or may not, and the user's attributes of
// what is neither a file nor a directory, where Linux has none.
func takesXattr(n *ext4.Inode, key string) bool {
	namespace, name, _ := strings.Cut(key, ".")
	return name != "" && len(key) <= maxName && !strings.ContainsAny(key, "=\x00") &&
		(namespace == "security" || namespace == "user" && (n.IsDir() || n.Type == ext4.TypeRegular))
}

func (w *writer) regular(hdr *tar.Header, f file) error {
	hdr.Typeflag, hdr.Size = tar.TypeReg, f.node.Size
	if err := w.budget.bytes(hdr.Size); err != nil {
		return err
	}
	if err := w.put(hdr); err != nil || hdr.Size == 0 {
		return err
	}
	r, err := f.fs.Content(w.ctx, f.node)
	if err != nil {
		return fmt.Errorf("read %q: %w", plain.Value(hdr.Name), err)
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{w.tar}, r, w.buf); err != nil {
		return fmt.Errorf("read %q: %w", plain.Value(hdr.Name), err)
	}
	return nil
}

// put writes the header of something, after the directories that it is in.
func (w *writer) put(hdr *tar.Header) error {
	if err := w.around(); err != nil {
		return err
	}
	return w.write(hdr)
}

func (w *writer) write(hdr *tar.Header) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if err := w.check(hdr); err != nil {
		return err
	}
	if err := w.tar.WriteHeader(hdr); err != nil {
		return fmt.Errorf("write %q: %w", plain.Value(hdr.Name), err)
	}
	return nil
}
