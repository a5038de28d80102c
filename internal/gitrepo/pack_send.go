package gitrepo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/operation"
)

// progressStep is after how many bytes progress is told.
const progressStep = 1 << 20

// Send implements workspace.Parcel.
func (p *parcel) Send(ctx context.Context, guest io.ReadWriter, progress operation.Progress) error {
	answers := make(chan error, 1)
	go func() {
		var answer agentrpc.WorkspaceAnswer
		err := agentrpc.ReadLine(bufio.NewReader(guest), &answer)
		if err == nil {
			err = refusal(answer)
		} else {
			err = fault.Wrap(fault.Unavailable, err, "the guest ended the connection")
		}
		answers <- err
	}()
	sent := make(chan error, 1)
	go func() {
		s := &sender{ctx: ctx, tree: agentrpc.NewTreeWriter(guest), progress: progress, total: p.contents.Bytes}
		sent <- p.write(s)
	}()
	select {
	case err := <-answers: // early: it is a refusal, and the caller closes the stream
		return err
	case err := <-sent:
		if _, ours := errors.AsType[*fault.Error](err); ours {
			return err
		}
		// Whatever happened to the stream, the guest knows why.
		select {
		case answer := <-answers:
			return answer
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

func refusal(answer agentrpc.WorkspaceAnswer) error {
	if answer.Code == "" {
		return nil
	}
	code := fault.Code(answer.Code)
	switch code {
	case fault.NotFound, fault.Conflict, fault.Invalid, fault.Busy, fault.Unavailable, fault.PermissionDenied, fault.Canceled:
	default:
		code = fault.Internal
	}
	return fault.New(code, "%s", hostgit.Printable(answer.Message))
}

func (p *parcel) write(s *sender) error {
	for _, u := range p.units {
		if err := p.writeUnit(s, u); err != nil {
			if _, ours := errors.AsType[*fault.Error](err); ours {
				return errors.Join(err, s.tree.Fail(err.Error()))
			}
			return err
		}
	}
	return s.tree.End()
}

func (p *parcel) writeUnit(s *sender, u *unit) error {
	dirs := map[string]bool{".": true}
	for _, f := range u.files {
		if err := s.dirs(u, path.Dir(f.path), dirs); err != nil {
			return err
		}
		if err := s.file(u, f); err != nil {
			return err
		}
	}
	for _, link := range u.links {
		if err := s.dirs(u, link, dirs); err != nil {
			return err
		}
	}
	git := path.Join(u.below, ".git")
	for _, dir := range []string{"refs/heads", "refs/tags", "objects/info"} {
		if err := s.tree.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeDir, Path: path.Join(git, dir), Mode: 0o755}, nil); err != nil {
			return err
		}
	}
	for _, suffix := range []string{".pack", ".idx"} {
		if err := s.copyFile(p.packFile(u, suffix), path.Join(git, "objects", "pack", u.pack+suffix)); err != nil {
			return err
		}
	}
	for _, text := range []struct{ name, content string }{
		{"packed-refs", u.meta.packedRefs},
		{"shallow", u.meta.shallow},
		{"info/exclude", u.meta.exclude},
		{"info/attributes", u.meta.attributes},
		{"config", u.meta.config},
		{"HEAD", u.meta.head},
		{"index", string(u.staged.Bytes())},
	} {
		if text.content == "" {
			continue
		}
		e := agentrpc.TreeEntry{Kind: agentrpc.TreeFile, Path: path.Join(git, text.name), Mode: 0o644}
		if err := s.tree.Text(e, text.content); err != nil {
			return err
		}
	}
	return nil
}

// sender writes the files of a parcel.
type sender struct {
	ctx      context.Context
	tree     *agentrpc.TreeWriter
	progress operation.Progress
	done     int64
	told     int64
	total    int64
}

func (s *sender) count(n int64) {
	s.done += n
	if s.done-s.told >= progressStep {
		s.told = s.done
		s.progress.Count(s.done, max(s.total, s.done), "bytes")
	}
}

// dirs tells of the directories above a file, once each, for their modes.
func (s *sender) dirs(u *unit, dir string, told map[string]bool) error {
	if told[dir] {
		return nil
	}
	if err := s.dirs(u, path.Dir(dir), told); err != nil {
		return err
	}
	told[dir] = true
	info, err := os.Lstat(filepath.Join(u.snap.Top, dir))
	if err != nil || !info.IsDir() {
		return u.changed(dir)
	}
	return s.tree.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeDir, Path: path.Join(u.below, dir), Mode: uint32(info.Mode().Perm())}, nil)
}

// file sends one file or link, if it still is what git has read.
func (s *sender) file(u *unit, f file) error {
	if err := s.ctx.Err(); err != nil {
		return fault.Wrap(fault.Canceled, err, "send %s", u.snap.Top)
	}
	full := filepath.Join(u.snap.Top, f.path)
	e := agentrpc.TreeEntry{
		Path: path.Join(u.below, f.path), Mode: f.stat.Mode & 0o777, ModTime: time.Unix(f.stat.Mtim.Unix()), Size: f.stat.Size,
	}
	s.count(f.stat.Size)
	if f.stat.Mode&syscall.S_IFMT == syscall.S_IFLNK {
		target, err := os.Readlink(full)
		if err != nil {
			return u.changed(f.path)
		}
		e.Kind = agentrpc.TreeLink
		return s.tree.Text(e, target)
	}
	in, err := os.OpenFile(full, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrPermission) {
		return fault.Wrap(fault.PermissionDenied, err, "read the work tree")
	}
	if err != nil {
		return u.changed(f.path)
	}
	defer func() { _ = in.Close() }()
	var now syscall.Stat_t
	if err := syscall.Fstat(int(in.Fd()), &now); err != nil || now.Size != f.stat.Size || now.Mtim != f.stat.Mtim || now.Ino != f.stat.Ino {
		return u.changed(f.path)
	}
	e.Kind = agentrpc.TreeFile
	err = s.tree.Entry(e, in)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return u.changed(f.path)
	}
	return err
}

func (s *sender) copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	e := agentrpc.TreeEntry{Kind: agentrpc.TreeFile, Path: to, Mode: 0o444, Size: info.Size()}
	return s.tree.Entry(e, &counted{in, s})
}

// counted counts what is read.
type counted struct {
	io.Reader
	s *sender
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.s.count(int64(n))
	return n, err
}
