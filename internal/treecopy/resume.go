package treecopy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

// Have is what a writer has of one source, by paths below it.
type Have map[string]held

type held struct {
	size int64
	time time.Time
	part bool
}

// maxHave bounds what is listed, in files; beyond it all is sent.
const maxHave = 1 << 20

// of tells how much of a file the writer has: all, its beginning, or nothing.
func (h Have) of(rel string, st *unix.Stat_t) (kept int64, whole bool) {
	file, ok := h[rel]
	switch {
	case !ok || !file.time.Equal(time.Unix(st.Mtim.Unix())):
		return 0, false
	case file.part && file.size > 0 && file.size < st.Size:
		return file.size, false
	default:
		return 0, !file.part && file.size == st.Size
	}
}

// A part of a file is beside it until the copy is resumed. Its time is the one
// that the file will have, which tells of what it is a part.
const (
	partBegin = "."
	partEnd   = ".banger-part"
)

func partName(name string) string {
	const longest = 255 - len(partBegin) - len(partEnd)
	return partBegin + name[:min(len(name), longest)] + partEnd
}

// List writes what the target has of the sources, for Reader.Have.
func (t *Target) List(ctx context.Context, sources []string, w *agentrpc.TreeWriter) error {
	left := maxHave
	for _, src := range sources {
		top := topOf(src)
		if err := w.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeTop, Path: top.Path, Mode: top.Mode}, nil); err != nil {
			return err
		}
		at := top.Path
		if t.name != "" {
			at = t.name
		}
		root := filepath.Join(t.dir, at)
		// As the writer finds it: no link is followed, not even at the top.
		err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil || !e.Type().IsRegular() || left == 0 {
				return nil //nolint:nilerr // what cannot be read is sent
			}
			left--
			return list(w, root, p, e)
		})
		if part := filepath.Join(filepath.Dir(root), partName(filepath.Base(root))); err == nil && top.Mode == 0 {
			if info, statErr := os.Lstat(part); statErr == nil && info.Mode().IsRegular() {
				err = w.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeListed, Path: ".", Mode: agentrpc.ListedPart, Size: info.Size(), ModTime: info.ModTime()}, nil)
			}
		}
		if err != nil {
			return err
		}
	}
	return w.End()
}

func list(w *agentrpc.TreeWriter, root, p string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return nil //nolint:nilerr // it is gone
	}
	rel, err := filepath.Rel(root, p)
	if err != nil {
		return err
	}
	entry := agentrpc.TreeEntry{Kind: agentrpc.TreeListed, Path: rel, Size: info.Size(), ModTime: info.ModTime()}
	base := path.Base(rel)
	if name, ok := strings.CutSuffix(base, partEnd); ok && strings.HasPrefix(name, partBegin) && rel != "." {
		entry.Mode, entry.Path = agentrpc.ListedPart, path.Join(path.Dir(rel), name[len(partBegin):])
	}
	if agentrpc.CheckTreePath(entry.Path) != nil {
		return nil //nolint:nilerr // no copy has a file of this name
	}
	return w.Entry(entry, nil)
}

// ReadList reads what List wrote. It is not trusted: at most 2^20 files count.
func ReadList(tree *agentrpc.TreeReader) ([]Have, error) {
	var all []Have
	for left := 2 * maxHave; left > 0; left-- {
		e, err := tree.Next()
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		case e.Kind == agentrpc.TreeTop && len(all) < agentrpc.MaxCopyPaths:
			all = append(all, Have{})
		case e.Kind == agentrpc.TreeListed && len(all) > 0:
			have := all[len(all)-1]
			if whole, ok := have[e.Path]; !ok || whole.part {
				have[e.Path] = held{size: e.Size, time: e.ModTime, part: e.Mode == agentrpc.ListedPart}
			}
		default:
			return nil, fmt.Errorf("%w: kind %q in a list", agentrpc.ErrTree, byte(e.Kind))
		}
	}
	return nil, fmt.Errorf("%w: a list without end", agentrpc.ErrTree)
}
