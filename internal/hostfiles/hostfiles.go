// Package hostfiles reads the user's files that are copied to guests.
// Their contents are never logged.
package hostfiles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/vm"
)

// MaxBytes bounds all files of one start together: they travel in one message.
// MaxFiles bounds their number.
const (
	MaxBytes = 512 << 10
	MaxFiles = 1000
)

// Source is a file or directory to place.
type Source struct {
	Host  string // absolute, or beginning with "~/"
	Guest string // absolute, in the guest
	Mode  uint32 // of each file; 0: as on the host
}

// Read reads the files. What is not there, or does not fit, is left out, and a
// note says so. A link to a file is followed, one to a directory only at the
// top of a source.
func Read(ctx context.Context, home string, sources []Source) (files []vm.File, notes []string) {
	r := &reader{}
	for _, s := range sources {
		host := s.Host
		if rest, ok := strings.CutPrefix(host, "~/"); ok {
			host = filepath.Join(home, rest)
		}
		if err := ctx.Err(); err != nil {
			return r.files, append(r.notes, err.Error())
		}
		r.source(host, s)
	}
	return r.files, r.notes
}

type reader struct {
	files []vm.File
	notes []string
	bytes int64
}

func (r *reader) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *reader) source(host string, s Source) {
	info, err := os.Stat(host)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.note("%s does not exist", host)
	case err != nil:
		r.note("%v", err)
	case info.IsDir():
		r.dir(host, s)
	default:
		r.file(host, s.Guest, s.Mode)
	}
}

func (r *reader) dir(host string, s Source) {
	root, err := filepath.EvalSymlinks(host)
	if err == nil {
		err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				r.note("%v", err)
				return nil
			}
			if d.IsDir() {
				return nil
			}
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			r.file(name, path.Join(s.Guest, filepath.ToSlash(rel)), s.Mode)
			return nil
		})
	}
	if err != nil {
		r.note("%v", err)
	}
}

func (r *reader) file(host, guest string, mode uint32) {
	info, err := os.Stat(host)
	if err != nil {
		r.note("%v", err)
		return
	}
	if !info.Mode().IsRegular() {
		return // sockets, and links to directories
	}
	if len(r.files) == MaxFiles || r.bytes+info.Size() > MaxBytes {
		r.note("%s does not fit: banger copies at most %d files and %d KiB", host, MaxFiles, MaxBytes>>10)
		return
	}
	data, err := readAtMost(host, MaxBytes-r.bytes)
	if err != nil {
		r.note("%v", err)
		return
	}
	if mode == 0 {
		mode = uint32(info.Mode().Perm())
	}
	r.bytes += int64(len(data))
	r.files = append(r.files, vm.File{Path: guest, Mode: mode, Data: data})
}

func readAtMost(name string, most int64) ([]byte, error) {
	file, _, err := regularfile.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s grew while it was read", name)
	}
	return slices.Clip(data), err
}
