package agentrpc

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// A tree is a sequence of records, parents before what is in them, ended by a
// record of kind TreeEnd or TreeError. A record is a header of treeHead bytes
// (big-endian: kind 1, mode 4, time of modification in nanoseconds since 1970
// 8, size 8, length of the object name 1, length of the path 2), the path, the
// object name, and size bytes of data for the kinds that have some.
//
// An archive would do, but a guest without hardware virtualisation spends more
// time on reading its headers than on writing the files.

// TreeKind is what a record describes.
type TreeKind byte

// The kinds of records.
const (
	TreeDir    TreeKind = 'd'
	TreeFile   TreeKind = 'f' // its data follows
	TreeLink   TreeKind = 'l' // the data is the target
	TreeListed TreeKind = 's' // a file or link of which only the header is sent
	TreePieces TreeKind = 'p' // a file whose size may change meanwhile; pieces follow, see Piece
	TreeSame   TreeKind = 'h' // a hard link; the data is the path of the record before that it is the same file as
	TreeTop    TreeKind = 't' // the paths that follow are below this name; Mode 1: below the target itself
	TreeNote   TreeKind = 'n' // the data says why what is at this path is not in the tree; Mode 1: for no fault
	TreeEnd    TreeKind = 'e'
	TreeError  TreeKind = '!' // the data says what went wrong; the tree is void
)

const (
	treeHead    = 24
	maxTreePath = 4096
	// MaxTreeText bounds the target of a link and the text of an error, in bytes.
	MaxTreeText = 4096
)

// ErrTree says that the bytes are no tree.
var ErrTree = errors.New("malformed tree")

// TreeEntry is the head of a record. Path is relative, slash-separated and
// clean; it need not be UTF-8.
type TreeEntry struct {
	Kind    TreeKind
	Path    string
	Mode    uint32 // permission bits, in copies with set-id and sticky ones; of TreeListed: git's mode
	ModTime time.Time
	Size    int64  // bytes of data, or of the listed file; of TreePieces about what comes
	OID     string // raw object name; empty: not known; zeros: tracked, but not as the index has it
}

// Tracked reports whether the repository's index has the listed file.
func (e TreeEntry) Tracked() bool { return e.OID != "" }

// Known reports whether OID is the name of the listed file's content.
func (e TreeEntry) Known() bool { return strings.Trim(e.OID, "\x00") != "" }

// TreeWriter writes a tree. Call Flush at the end.
type TreeWriter struct {
	w   io.Writer
	buf []byte // not written yet
	err error  // of w, once and for all
}

// treeBuffer is what a TreeWriter writes at a time, in bytes.
const treeBuffer = 4 * BulkWrite

// NewTreeWriter returns a writer of a tree to w.
func NewTreeWriter(w io.Writer) *TreeWriter {
	return &TreeWriter{w: w, buf: make([]byte, 0, treeBuffer)}
}

// Flush writes what is buffered.
func (t *TreeWriter) Flush() error {
	if t.err == nil && len(t.buf) > 0 {
		_, t.err = t.w.Write(t.buf)
	}
	t.buf = t.buf[:0]
	return t.err
}

// room makes room for n bytes in the buffer.
func (t *TreeWriter) room(n int) error {
	if cap(t.buf)-len(t.buf) < n {
		return t.Flush()
	}
	return t.err
}

// fill reads r once into the buffer, up to limit bytes.
func (t *TreeWriter) fill(r io.Reader, limit int64) (int, error) {
	room := t.buf[len(t.buf):cap(t.buf)]
	n, err := r.Read(room[:min(int64(len(room)), limit)])
	t.buf = t.buf[:len(t.buf)+n]
	return n, err
}

// Entry writes one record; data holds exactly e.Size bytes, or is nil for a
// record without data.
func (t *TreeWriter) Entry(e TreeEntry, data io.Reader) error {
	if len(e.Path) > maxTreePath || len(e.OID) > maxOID {
		return fmt.Errorf("%w: the path %.80q… is too long", ErrTree, e.Path)
	}
	if err := t.room(treeHead + len(e.Path) + len(e.OID)); err != nil {
		return err
	}
	var nanos int64
	if !e.ModTime.IsZero() {
		nanos = e.ModTime.UnixNano()
	}
	t.buf = append(t.buf, byte(e.Kind))
	t.buf = binary.BigEndian.AppendUint32(t.buf, e.Mode)
	t.buf = binary.BigEndian.AppendUint64(t.buf, uint64(nanos))
	t.buf = binary.BigEndian.AppendUint64(t.buf, uint64(e.Size))
	t.buf = append(t.buf, byte(len(e.OID)))
	t.buf = binary.BigEndian.AppendUint16(t.buf, uint16(len(e.Path)))
	t.buf = append(t.buf, e.Path...)
	t.buf = append(t.buf, e.OID...)
	if data == nil {
		return nil
	}
	for left := e.Size; left > 0; {
		if err := t.room(1); err != nil {
			return err
		}
		n, err := t.fill(data, left)
		if left -= int64(n); err != nil && left > 0 {
			return fmt.Errorf("%q has %d bytes, not %d: %w", e.Path, e.Size-left, e.Size, unexpected(err))
		}
	}
	return nil
}

// Text writes a record whose data is text: a link or an error.
func (t *TreeWriter) Text(e TreeEntry, text string) error {
	e.Size = int64(len(text))
	return t.Entry(e, strings.NewReader(text))
}

// End ends the tree and flushes.
func (t *TreeWriter) End() error {
	if err := t.Entry(TreeEntry{Kind: TreeEnd}, nil); err != nil {
		return err
	}
	return t.Flush()
}

// Fail voids the tree, says why, and flushes.
func (t *TreeWriter) Fail(message string) error {
	if len(message) > MaxTreeText {
		message = message[:MaxTreeText]
	}
	if err := t.Text(TreeEntry{Kind: TreeError}, message); err != nil {
		return err
	}
	return t.Flush()
}

// TreeReader reads a tree that is not trusted: what Next returns is checked,
// but nothing bounds how many records or bytes there are.
type TreeReader struct {
	r      *bufio.Reader
	left   int64 // of the present record's data, or of its piece
	pieces bool  // of the present record, more may come
}

// NewTreeReader returns a reader of the tree in r. It may read ahead into its buffer.
func NewTreeReader(r *bufio.Reader) *TreeReader { return &TreeReader{r: r} }

// Next returns the next record, having skipped what was not read of the one
// before. io.EOF after the last; a void tree is an error.
func (t *TreeReader) Next() (TreeEntry, error) {
	if err := t.skip(); err != nil {
		return TreeEntry{}, err
	}
	var head [treeHead]byte
	if _, err := io.ReadFull(t.r, head[:]); err != nil {
		return TreeEntry{}, unexpected(err)
	}
	e := TreeEntry{Kind: TreeKind(head[0]), Mode: binary.BigEndian.Uint32(head[1:]), Size: int64(binary.BigEndian.Uint64(head[13:]))}
	if nanos := int64(binary.BigEndian.Uint64(head[5:])); nanos != 0 {
		e.ModTime = time.Unix(0, nanos)
	}
	text := make([]byte, int(binary.BigEndian.Uint16(head[22:]))+int(head[21]))
	if _, err := io.ReadFull(t.r, text); err != nil {
		return TreeEntry{}, unexpected(err)
	}
	e.Path, e.OID = string(text[:len(text)-int(head[21])]), string(text[len(text)-int(head[21]):])
	return t.checked(e)
}

func (t *TreeReader) checked(e TreeEntry) (TreeEntry, error) {
	if e.Size < 0 || len(e.OID) > maxOID {
		return e, fmt.Errorf("%w: %q", ErrTree, e.Path)
	}
	switch e.Kind {
	case TreeEnd:
		return e, io.EOF
	case TreeError:
		if e.Size > MaxTreeText {
			return e, fmt.Errorf("%w: an endless error", ErrTree)
		}
		t.left = e.Size
		text, err := io.ReadAll(t)
		if err != nil {
			return e, err
		}
		return e, &TreeFailure{Message: string(text)}
	case TreeLink, TreeSame, TreeNote:
		if e.Size > MaxTreeText {
			return e, fmt.Errorf("%w: %q has a text of %d bytes", ErrTree, e.Path, e.Size)
		}
		t.left = e.Size
	case TreeFile:
		t.left = e.Size
	case TreePieces:
		t.pieces = true
	case TreeDir, TreeListed, TreeTop:
	default:
		return e, fmt.Errorf("%w: kind %q", ErrTree, byte(e.Kind))
	}
	return e, CheckTreePath(e.Path)
}

// CheckTreePath refuses a path that no record may have: it must be relative,
// clean, and stay below where it begins.
func CheckTreePath(p string) error {
	if len(p) > maxTreePath || p == "" || p == ".." || path.IsAbs(p) || path.Clean(p) != p ||
		strings.HasPrefix(p, "../") || strings.IndexByte(p, 0) >= 0 {
		return fmt.Errorf("%w: the path %.80q", ErrTree, p)
	}
	return nil
}

// skip passes over what was not read of the present record.
func (t *TreeReader) skip() error {
	for {
		if t.left > 0 {
			if _, err := io.CopyN(io.Discard, t.r, t.left); err != nil {
				return unexpected(err)
			}
			t.left = 0
		}
		if !t.pieces {
			return nil
		}
		if _, err := t.Piece(); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, ErrPieces) {
			return err
		}
	}
}

// Read reads the data of the present record.
func (t *TreeReader) Read(p []byte) (int, error) {
	if t.left == 0 {
		return 0, io.EOF
	}
	n, err := t.r.Read(p[:min(int64(len(p)), t.left)])
	t.left -= int64(n)
	if err != nil {
		err = unexpected(err)
	}
	return n, err
}

// TreeFailure is why the writer of a tree gave up.
type TreeFailure struct{ Message string }

// Error is the writer's message.
func (f *TreeFailure) Error() string { return f.Message }

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
