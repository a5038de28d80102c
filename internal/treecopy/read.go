package treecopy

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

// listed is how many entries of a directory are read at a time.
const listed = 512

// Reader reads files into a tree. The zero value of a function is none.
type Reader struct {
	W *agentrpc.TreeWriter
	// Counted is told of data that was read: the file's name and how many bytes.
	Counted func(name string, n int)
	// Noted is told of what is left out. Its error ends the reading.
	Noted func(Note) error
	// SetID says that the writer keeps set-user-ID bits: else Noted is told of them.
	SetID bool
	// Have is what the writer has of each source in turn: that is not sent.
	Have []Have

	ctx   context.Context
	links map[inode]string // files with more names than one, of the present top
	have  Have             // of the present top
}

type inode struct{ dev, ino uint64 }

// maxLinks bounds the hard links that are remembered; beyond it they are files
// of their own.
const maxLinks = 1 << 20

// Read writes what is at src, as a user names it, with its top before it. A link
// there is followed. "DIR/." means what is in DIR. An error is about src itself,
// or about the stream; of what is below src, Noted is told.
func (r *Reader) Read(ctx context.Context, src string) error {
	r.ctx, r.links, r.have = ctx, map[inode]string{}, nil
	if len(r.Have) > 0 {
		r.have, r.Have = r.Have[0], r.Have[1:]
	}
	if err := Check(src); err != nil {
		return err
	}
	fd, err := unix.Open(src, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return failure("open", src, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return failure("stat", src, err)
	}
	if err := r.W.Entry(topOf(src), nil); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return r.directory(fd, &st, ".", 0)
	case unix.S_IFREG:
		return r.file(fd, &st, ".", src)
	default:
		return refuse(CodeInvalid, "%s is not a file, directory or symbolic link", src)
	}
}

// topOf is the record that begins src: its name, or that what is in it is meant.
func topOf(src string) agentrpc.TreeEntry {
	if OnlyContents(src) {
		return agentrpc.TreeEntry{Kind: agentrpc.TreeTop, Path: ".", Mode: 1}
	}
	return agentrpc.TreeEntry{Kind: agentrpc.TreeTop, Path: path.Base(src)}
}

// OnlyContents reports whether a source means what is in it: "DIR/.", and what has
// no name.
func OnlyContents(src string) bool {
	base := path.Base(src)
	return strings.HasSuffix(src, "/.") || base == "." || base == ".." || base == "/"
}

// note tells of one thing that cannot be copied, and of nothing when it is gone.
func (r *Reader) note(rel string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed meanwhile
	}
	return tell(r.Noted, Note{Path: rel, Why: reason(err), Fault: true})
}

func (r *Reader) directory(fd int, st *unix.Stat_t, rel string, depth int) error {
	if depth > MaxDepth {
		return tell(r.Noted, Note{Path: rel, Why: "it is too many directories deep", Fault: true})
	}
	if err := r.W.Entry(entry(agentrpc.TreeDir, rel, st), nil); err != nil {
		return err
	}
	again, err := unix.Dup(fd) // the names are read by one, what is there is opened by the other
	if err != nil {
		return r.note(rel, err)
	}
	unix.CloseOnExec(again)
	dir := os.NewFile(uintptr(again), rel)
	defer func() { _ = dir.Close() }()
	for {
		entries, err := dir.ReadDir(listed)
		for _, e := range entries {
			if err := r.ctx.Err(); err != nil {
				return err
			}
			if err := r.entry(fd, e.Name(), e.Type(), path.Join(rel, e.Name()), depth+1); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return r.note(rel, err)
		}
	}
}

func (r *Reader) entry(at int, name string, kind fs.FileMode, rel string, depth int) error {
	if agentrpc.CheckTreePath(rel) != nil {
		return tell(r.Noted, Note{Path: path.Dir(rel), Why: "the path of " + name[:min(len(name), 80)] + " is too long", Fault: true})
	}
	switch kind {
	case 0, fs.ModeDir:
		return r.open(at, name, kind, rel, depth)
	case fs.ModeSymlink:
		return r.link(at, name, rel)
	default:
		return tell(r.Noted, Note{Path: rel, Why: "skipped, it is a " + kindName(kind)})
	}
}

func (r *Reader) open(at int, name string, kind fs.FileMode, rel string, depth int) error {
	flags := unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if kind == fs.ModeDir {
		flags |= unix.O_DIRECTORY
	}
	fd, err := unix.Openat(at, name, flags, 0)
	if err != nil {
		return r.note(rel, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return r.note(rel, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return r.directory(fd, &st, rel, depth)
	case unix.S_IFREG:
		return r.file(fd, &st, rel, name)
	default:
		return tell(r.Noted, Note{Path: rel, Why: "it changed while it was read", Fault: true})
	}
}

func (r *Reader) link(at int, name, rel string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return r.note(rel, err)
	}
	var target [agentrpc.MaxTreeText]byte
	n, err := unix.Readlinkat(at, name, target[:])
	if err != nil {
		return r.note(rel, err)
	}
	return r.W.Text(entry(agentrpc.TreeLink, rel, &st), string(target[:n]))
}

func entry(kind agentrpc.TreeKind, rel string, st *unix.Stat_t) agentrpc.TreeEntry {
	return agentrpc.TreeEntry{Kind: kind, Path: rel, Mode: st.Mode & 0o7777, ModTime: time.Unix(st.Mtim.Unix()), Size: 0}
}

// kindName is how a file that is none is called.
func kindName(kind fs.FileMode) string {
	switch {
	case kind&fs.ModeNamedPipe != 0:
		return "FIFO"
	case kind&fs.ModeSocket != 0:
		return "socket"
	case kind&fs.ModeDevice != 0:
		return "device"
	default:
		return "special file"
	}
}
