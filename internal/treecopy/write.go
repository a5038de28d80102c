package treecopy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

// Writer writes a tree below a Target. The zero value of a function is none.
type Writer struct {
	// SetID keeps the set-user-ID, set-group-ID and sticky bits.
	SetID bool
	// KeepPart keeps the beginning of a file when the copy is interrupted in it.
	KeepPart bool
	// Tops are the sources that were asked for, as Reader.Read gets them: the tree's
	// tops get their names in turn, whatever it calls them. Nil: it is believed.
	Tops []string
	// Counted is told of data that was written: the file's name and how many bytes.
	Counted func(name string, n int)
	// Noted is told of what the reader of the files left out. Its error ends the
	// writing.
	Noted func(Note) error

	tree   *agentrpc.TreeReader
	dirs   directories
	top    string // of the present records, below the target
	begun  int    // tops that have come
	buf    []byte
	random string
	staged int
}

// writeBuffer is how much of a file is written at a time, in bytes.
const writeBuffer = 256 << 10

// Write writes the tree, until its end or that of ctx. Each file is replaced in
// one step; a failure leaves the one under way as it was, and those before it as
// they are now.
func (w *Writer) Write(ctx context.Context, tree *agentrpc.TreeReader, to *Target) (err error) {
	w.tree, w.dirs = tree, directories{target: to}
	w.buf, w.random = make([]byte, writeBuffer), rand.Text()[:12]
	defer func() { err = errors.Join(err, w.dirs.leave(0)) }()
	for {
		e, err := tree.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if ctxErr := ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		if err == nil {
			err = w.record(ctx, e)
		}
		if err != nil {
			return err
		}
	}
}

func (w *Writer) record(ctx context.Context, e agentrpc.TreeEntry) error {
	if e.Kind == agentrpc.TreeTop {
		return w.begin(e)
	}
	if e.Kind == agentrpc.TreeNote {
		why, err := io.ReadAll(w.tree)
		if err != nil {
			return err
		}
		return tell(w.Noted, Note{Path: path.Join(w.top, e.Path), Why: string(why), Fault: e.Mode != 1})
	}
	if w.begun == 0 {
		return fmt.Errorf("%w: no top before %.80q", agentrpc.ErrTree, e.Path)
	}
	p := path.Join(w.top, e.Path)
	if p == "." {
		if e.Kind != agentrpc.TreeDir {
			return refuse(CodeConflict, "%s is a directory", w.dirs.target.dir)
		}
		return nil // the target itself stays as it is
	}
	switch e.Kind {
	case agentrpc.TreeDir:
		return w.dirs.make(p, e, w.mask())
	case agentrpc.TreePieces:
		return w.file(ctx, p, e)
	case agentrpc.TreeLink:
		return w.link(p, e)
	case agentrpc.TreeSame:
		return w.same(p)
	default:
		return fmt.Errorf("%w: kind %q in a copy", agentrpc.ErrTree, byte(e.Kind))
	}
}

// begin says where the records that follow are.
func (w *Writer) begin(e agentrpc.TreeEntry) error {
	if w.Tops != nil {
		if w.begun == len(w.Tops) {
			return fmt.Errorf("%w: more than was asked for", agentrpc.ErrTree)
		}
		e = topOf(w.Tops[w.begun])
	}
	w.begun++
	into := w.dirs.target.name
	switch {
	case into != "" && w.begun > 1:
		return fmt.Errorf("%w: a second top", agentrpc.ErrTree)
	case into != "":
		w.top = into
	case e.Mode == 1:
		w.top = "."
	case strings.Contains(e.Path, "/") || e.Path == "." || e.Path == "..":
		return fmt.Errorf("%w: the top %.80q", agentrpc.ErrTree, e.Path)
	default:
		w.top = e.Path
	}
	return nil
}

func (w *Writer) mask() uint32 {
	if w.SetID {
		return 0o7777
	}
	return 0o777
}

// stage is a name that nothing has yet, beside what it becomes.
func (w *Writer) stage() string {
	w.staged++
	return ".banger-" + w.random + strconv.Itoa(w.staged) + ".staging"
}

// become lets what is staged appear under its name.
func (w *Writer) become(at int, staged, name, p string) error {
	err := unix.Renameat(at, staged, at, name)
	if errors.Is(err, unix.EISDIR) {
		return refuse(CodeConflict, "%s is a directory", w.dirs.target.shown(p))
	}
	if err != nil {
		return failure("rename", w.dirs.target.shown(p), err)
	}
	return nil
}

func (w *Writer) link(p string, e agentrpc.TreeEntry) error {
	to, err := io.ReadAll(w.tree)
	if err != nil {
		return err
	}
	dir, name := cut(p)
	at, err := w.dirs.enter(dir)
	if err != nil {
		return err
	}
	staged := w.stage()
	if err := unix.Symlinkat(string(to), at, staged); err != nil {
		return failure("symlink", w.dirs.target.shown(p), err)
	}
	if !e.ModTime.IsZero() {
		stamp := unix.NsecToTimespec(e.ModTime.UnixNano())
		_ = unix.UtimesNanoAt(at, staged, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW) // not all filesystems keep it
	}
	if err := w.become(at, staged, name, p); err != nil {
		_ = unix.Unlinkat(at, staged, 0)
		return err
	}
	return nil
}
