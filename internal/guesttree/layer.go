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
	// entered are the directories, each in the one before, that the image has as they are.
	// The first ones, as many as written, are in the layer.
	entered []entered
	written int
	// kept are the files of several names that the image has as they are under the first.
	kept map[place]bool
	// marking says that a whiteout is being written.
	marking bool
}

type entered struct {
	name string
	dir  file
}

// enter goes into a directory that the image has as it is. A layer has it only if it has
// something in it: engines that unpack layers side by side would make it anew.
func (w *writer) enter(name string, dir file) error {
	if w.layer == nil {
		return w.dir(name, dir)
	}
	w.layer.entered = append(w.layer.entered, entered{name, dir})
	return nil
}

// leave goes out of the directory that enter went into.
func (w *writer) leave() {
	if l := w.layer; l != nil {
		l.entered = l.entered[:len(l.entered)-1]
		l.written = min(l.written, len(l.entered))
	}
}

// before checks what is about to be written to a layer, and writes the directories that
// it is in.
func (w *writer) before(hdr *tar.Header) error {
	l := w.layer
	if l == nil {
		return nil
	}
	if !l.marking && strings.HasPrefix(path.Base(hdr.Name), whiteoutPrefix) {
		return fault.New(fault.Invalid, "%q cannot be in an image: names that begin with %s mark deleted files there", plain.Value(hdr.Name), whiteoutPrefix).
			WithHint("rename or delete it in the VM")
	}
	for l.written < len(l.entered) {
		next := l.entered[l.written]
		l.written++
		if err := w.dir(next.name, next.dir); err != nil {
			return err
		}
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
