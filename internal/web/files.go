package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// maxEntries bounds what the picker shows of a directory.
const maxEntries = 500

// filesView is the body of the page on which a path of the host is picked.
type filesView struct {
	Dir     string
	Up      string // the page of the directory above
	Use     string // where picking Dir leads; empty: a file is wanted
	Entries []entryView
	More    bool
	Cancel  string
}

// entryView is a file or a directory.
type entryView struct {
	Name, Note string
	Path       string // where it leads; empty: it cannot be picked
	Dir        bool
}

// picker knows which paths may be shown: those below the roots, without hidden ones.
type picker struct{ roots []string }

// newPicker resolves the roots; one that cannot be is none.
func newPicker(roots []string) picker {
	var p picker
	for _, root := range roots {
		if real, err := filepath.EvalSymlinks(root); err == nil && filepath.IsAbs(real) {
			p.roots = append(p.roots, real)
		}
	}
	return p
}

// resolve is where a path leads, if that may be shown.
func (p picker) resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fault.Wrap(fault.NotFound, err, "cannot open %s", plain.Value(path))
	}
	for _, root := range p.roots {
		rest, err := filepath.Rel(root, real)
		if err != nil || rest == ".." || strings.HasPrefix(rest, "../") {
			continue
		}
		if rest != "." && slices.ContainsFunc(strings.Split(rest, "/"), func(part string) bool { return strings.HasPrefix(part, ".") }) {
			return "", fault.New(fault.PermissionDenied, "%s is hidden", plain.Value(path)).WithHint("type the path instead")
		}
		return real, nil
	}
	return "", fault.New(fault.PermissionDenied, "%s is not below your home or a directory of web.roots", plain.Value(path)).WithHint("type the path instead")
}

// list reads a directory that resolve gave: directories first, links with where they lead.
func (p picker) list(dir string) (entries []entryView, more bool, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, false, fault.Wrap(fault.PermissionDenied, err, "cannot open %s", plain.Value(dir))
	}
	defer func() { _ = f.Close() }()
	for len(entries) < maxEntries {
		some, err := f.ReadDir(maxEntries)
		for _, e := range some {
			if !strings.HasPrefix(e.Name(), ".") && len(entries) < maxEntries {
				entries = append(entries, p.entry(dir, e))
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false, fault.Wrap(fault.Unavailable, err, "cannot read %s", plain.Value(dir))
		}
		more = len(entries) == maxEntries
	}
	slices.SortFunc(entries, func(a, b entryView) int {
		if a.Dir != b.Dir {
			if a.Dir {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return entries, more, nil
}

func (p picker) entry(dir string, e os.DirEntry) entryView {
	v := entryView{Name: plain.Line(e.Name(), maxCell), Path: filepath.Join(dir, e.Name())}
	kind := e.Type()
	if kind&os.ModeSymlink != 0 {
		real, err := p.resolve(v.Path)
		info, statErr := os.Stat(v.Path)
		if err != nil || statErr != nil {
			v.Path, v.Note = "", "link to where the console does not go"
			return v
		}
		v.Path, v.Note, kind = real, "link to "+plain.Line(real, maxCell), info.Mode().Type()
	}
	switch v.Dir = kind.IsDir(); {
	case v.Dir:
		if _, err := os.Lstat(filepath.Join(v.Path, ".git")); err == nil && v.Note == "" {
			v.Note = "git"
		}
	case !kind.IsRegular():
		v.Path, v.Note = "", "not a file"
	}
	return v
}

// filesPage lets the user pick a path for a field of another page.
func (c *Console) filesPage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "files", func(_ context.Context, s *shell) error {
		query := r.URL.Query()
		field, back, dir := query.Get("field"), ownPath(query.Get("back")), query.Get("dir")
		p := newPicker(c.roots())
		s.Title = "Pick a path"
		view := filesView{Cancel: back}
		if dir == "" {
			for _, root := range p.roots {
				view.Entries = append(view.Entries, entryView{Name: root, Path: filesPath(field, back, root), Dir: true})
			}
			s.Body = view
			return nil
		}
		real, err := p.resolve(dir)
		if err != nil {
			return err
		}
		entries, more, err := p.list(real)
		if err != nil {
			return err
		}
		view.Dir, view.More, view.Entries = real, more, entries
		view.Up, view.Use = filesPath(field, back, ""), picked(back, field, real)
		if up, err := p.resolve(filepath.Dir(real)); err == nil {
			view.Up = filesPath(field, back, up)
		}
		for i, e := range view.Entries {
			switch {
			case e.Path == "":
			case e.Dir:
				view.Entries[i].Path = filesPath(field, back, e.Path)
			default:
				view.Entries[i].Path = picked(back, field, e.Path)
			}
		}
		s.Body = view
		return nil
	})
}

func filesPath(field, back, dir string) string {
	return "/files?" + url.Values{"field": {field}, "back": {back}, "dir": {dir}}.Encode()
}

// picked is the page that asked, with its field filled in.
func picked(back, field, path string) string {
	target, err := url.Parse(back)
	if err != nil {
		return "/"
	}
	query := target.Query()
	query.Set(field, path)
	target.RawQuery = query.Encode()
	return target.String()
}
