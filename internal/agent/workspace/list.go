package workspace

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/agent/regular"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gitindex"
)

// inMemory is up to which size a file is read before it is sent, so that one
// that grows or shrinks meanwhile does not break the stream, in bytes.
const inMemory = 4 << 20

// list serves collect without git: all files, and then those the host asks for.
// why is what the guest's git said, if it has one that failed.
func list(ctx context.Context, req agentrpc.WorkspaceRequest, why string, in *bufio.Reader, out io.Writer) error {
	if err := agentrpc.WriteLine(out, agentrpc.WorkspaceAnswer{Message: why}); err != nil {
		return &midStream{err}
	}
	tree := agentrpc.NewTreeWriter(out)
	l := &lister{ctx: ctx, top: req.Path, format: req.Format, tree: tree}
	err := l.dir("", nil, "")
	if err == nil {
		err = tree.End()
	} else {
		_ = tree.Fail(err.Error()) // the stream may be what failed
	}
	if err != nil {
		return &midStream{err}
	}
	for {
		wanted, err := wantedPaths(in)
		if err != nil {
			return &midStream{err}
		}
		if len(wanted) == 0 {
			return nil
		}
		for _, path := range wanted {
			if err := send(ctx, tree, req.Path, path); err != nil {
				_ = tree.Fail(err.Error())
				return &midStream{err}
			}
		}
		if err := tree.End(); err != nil {
			return &midStream{err}
		}
	}
}

// wantedPaths reads the host's list of files. An empty one ends the transfer.
func wantedPaths(in io.Reader) ([]string, error) {
	var wanted []string
	for {
		path, err := agentrpc.ReadChunk(in, nil)
		if errors.Is(err, io.EOF) {
			return wanted, nil
		}
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, string(path))
	}
}

// lister lists a work tree.
type lister struct {
	ctx    context.Context
	top    string
	format string
	tree   *agentrpc.TreeWriter
}

// known is a repository's index: what git last knew of its files.
type known struct {
	index   *gitindex.Index
	entries map[string]int // of those with a conflict, one of its sides
	written int64          // nanoseconds; a file as new as that may have changed since
}

// dir lists what is in the directory rel. idx is the index of the repository
// at base, in which rel is.
func (l *lister) dir(rel string, idx *known, base string) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	dir := filepath.Join(l.top, rel)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) && rel != "" {
		return nil // it was removed meanwhile
	}
	if err != nil {
		return err
	}
	if own := l.load(dir); own != nil {
		idx, base = own, rel
		if err := l.absent(own.index, rel); err != nil {
			return err
		}
	}
	for _, entry := range entries {
		if entry.Name() == ".git" {
			continue
		}
		name := path.Join(rel, entry.Name())
		if entry.IsDir() {
			err = l.dir(name, idx, base)
		} else {
			err = l.file(name, idx, base)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// absent lists what a sparse work tree leaves out.
func (l *lister) absent(x *gitindex.Index, base string) error {
	for _, e := range x.Entries {
		if !e.SkipWorktree {
			continue
		}
		listed := agentrpc.TreeEntry{Kind: agentrpc.TreeListed, Path: path.Join(base, e.Path), Mode: e.Mode, OID: e.OID}
		if err := l.tree.Entry(listed, nil); err != nil {
			return err
		}
	}
	return nil
}

// load reads the index of the repository at dir. Without one that can be read
// nothing is known of the files, and the host asks for them.
func (l *lister) load(dir string) *known {
	file := filepath.Join(dir, gitIndex)
	info, err := os.Stat(file)
	if err != nil {
		return nil
	}
	data, err := regular.Read(file, gitindex.MaxSize)
	if err != nil {
		return nil
	}
	x, err := gitindex.Parse(data, gitindex.HashSize(l.format))
	if err != nil {
		return nil
	}
	k := &known{index: x, entries: make(map[string]int, len(x.Entries)), written: info.ModTime().UnixNano()}
	for i, e := range x.Entries {
		k.entries[e.Path] = i
	}
	return k
}

// oid is the name of the content that the entry i has, if the file has it, too.
func (k *known) oid(i int, st *syscall.Stat_t) string {
	e := k.index.Entries[i]
	if e.Stage == 0 && st.Mtim.Nano() < k.written && k.index.UpToDate(i, st) {
		return e.OID
	}
	return strings.Repeat("\x00", len(e.OID))
}

func (l *lister) file(name string, idx *known, base string) error {
	var st syscall.Stat_t
	err := syscall.Lstat(filepath.Join(l.top, name), &st)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	mode := gitindex.ModeOf(st.Mode)
	if mode == 0 {
		return nil // git keeps no sockets, pipes and devices
	}
	e := agentrpc.TreeEntry{Kind: agentrpc.TreeListed, Path: name, Mode: mode, Size: st.Size}
	if idx != nil {
		below := name
		if base != "" {
			below = name[len(base)+1:]
		}
		if i, ok := idx.entries[below]; ok {
			e.OID = idx.oid(i, &st)
		}
	}
	return l.tree.Entry(e, nil)
}

// send sends one file or link; nothing when it is there no more.
func send(ctx context.Context, tree *agentrpc.TreeWriter, top, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	full := filepath.Join(top, name)
	info, err := os.Lstat(full)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	e := agentrpc.TreeEntry{Path: name, Mode: uint32(info.Mode().Perm())}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(full)
		if err != nil {
			return err
		}
		e.Kind = agentrpc.TreeLink
		return tree.Text(e, target)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	e.Kind = agentrpc.TreeFile
	file, err := os.OpenFile(full, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if info.Size() > inMemory {
		e.Size = info.Size()
		return tree.Entry(e, file)
	}
	data, err := io.ReadAll(io.LimitReader(file, inMemory+1))
	if err != nil {
		return err
	}
	return tree.Text(e, string(data))
}
