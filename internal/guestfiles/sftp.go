package guestfiles

import (
	"context"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// copyIn is Guest.CopyIn by SFTP.
func (s *session) copyIn(ctx context.Context, src, dst string, m *meter) error {
	name, err := landing(src, dst, s.files.Stat)
	if err != nil {
		return err
	}
	c := &copier{ctx: ctx, from: host{}, to: s.files, meter: m}
	return c.top(src, name)
}

// copyOut is Guest.CopyOut by SFTP.
func copyOut(ctx context.Context, from source, src, dst string, m *meter) error {
	name, err := landing(src, dst, os.Stat)
	if err != nil {
		return err
	}
	dir, base := filepath.Dir(name), filepath.Base(name)
	if base == "." || base == ".." || base == "/" {
		dir, base = name, "."
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	c := &copier{ctx: ctx, from: from, to: below{root}, meter: m}
	return c.top(src, base)
}

// streamIn is Guest.StreamIn by SFTP.
func (s *session) streamIn(ctx context.Context, r io.Reader, dst string, m *meter) error {
	if info, err := s.files.Stat(dst); err == nil && info.IsDir() {
		return directoryHint(dst)
	}
	c := &copier{ctx: ctx, to: s.files, meter: m}
	return c.replace(path.Clean(dst), r, func(staged string) error {
		return s.files.Finish(staged, 0o644, time.Now())
	})
}

// streamOut is Guest.StreamOut by SFTP.
func (s *session) streamOut(ctx context.Context, src string, w io.Writer, m *meter) error {
	info, err := s.files.Stat(src)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return isDirectory(src)
	}
	in, err := s.files.Open(src)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return named(path.Base(src), m.copy(ctx, path.Base(src), w, in))
}

func isDirectory(src string) error {
	return fault.New(fault.Invalid, "%s is a directory", src).WithHint("to get it as one stream, run in the VM: tar c -C %s .", src)
}
