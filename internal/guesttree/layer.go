package guesttree

import (
	"archive/tar"
	"path"
	"strings"

	"github.com/bangervm/banger/internal/ext4"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// Whiteouts, as the OCI image specification names them.
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

// changes is what a writer of a layer keeps.
type changes struct {
	// kept are the files of several names that the image has as they are under the first.
	kept map[place]bool
	// marking says that a whiteout is being written.
	marking bool
}

// check refuses what cannot be written to a layer.
func (w *writer) check(hdr *tar.Header) error {
	if l := w.layer; l != nil && !l.marking && strings.HasPrefix(path.Base(hdr.Name), whiteoutPrefix) {
		return fault.New(fault.Invalid, "%q cannot be in an image: names that begin with %s mark deleted files there", plain.Value(hdr.Name), whiteoutPrefix).
			WithHint("rename or delete it in the VM")
	}
	return nil
}

// unchanged is file of one that the image has, as it is, under the same name. A layer
// has it only if it has another name of the same file.
func (w *writer) unchanged(name string, f file) error {
	if w.layer == nil {
		return w.file(name, f)
	}
	if f.node.Links < 2 || f.node.Type == ext4.TypeSocket {
		return nil
	}
	at := place{f.fs, f.node.Number}
	switch _, known := w.first[at]; {
	case w.layer.kept[at]:
		return nil
	case known:
		return w.file(name, f)
	}
	if err := w.budget.names(len(name)); err != nil {
		return err
	}
	w.first[at], w.layer.kept[at] = name, true
	return nil
}

// gone leaves out what has the name. A layer says so if the image has something there.
func (w *writer) gone(name string, had bool) error {
	if w.layer == nil || !had {
		return nil
	}
	return w.mark(path.Join(path.Dir(name), whiteoutPrefix+path.Base(name)))
}

// opaque hides what the image has in a directory.
func (w *writer) opaque(dir string) error {
	if w.layer == nil {
		return nil
	}
	return w.mark(path.Join(dir, whiteoutOpaque))
}

// mark writes an empty file that hides others.
func (w *writer) mark(name string) error {
	w.layer.marking = true
	defer func() { w.layer.marking = false }()
	return w.put(&tar.Header{Typeflag: tar.TypeReg, Name: name})
}
