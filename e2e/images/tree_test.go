//go:build e2e

package images

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/ext4"
	"github.com/bangervm/banger/internal/guesttree"
)

// snapshot describes each path of a tree: type, mode, owner, device, time of
// files, link, content, attributes, and the first other name of a hard link.
type snapshot map[string]string

func line(kind string, mode, uid, gid int64, rdev string, mtime time.Time, content string, xattrs []string) string {
	if kind == "d" {
		mtime = time.Time{} // whoever unpacks into it changes it
	}
	slices.Sort(xattrs)
	return fmt.Sprintf("%s %o %d:%d %s %d %s %q", kind, mode, uid, gid, rdev, mtime.Unix(), content, xattrs)
}

// linked makes the lines of hard links the same, with all the names.
func (s snapshot) linked(groups map[string][]string) snapshot {
	for _, names := range groups {
		slices.Sort(names)
		for _, name := range names {
			if len(names) > 1 {
				s[name] += " links " + strings.Join(names, ",")
			}
		}
	}
	return s
}

// ofDisk reads the filesystem in a file, which e2fsck must find clean.
func ofDisk(t *testing.T, path string) snapshot {
	t.Helper()
	run(t, "e2fsck", "-fn", path)
	f, err := os.Open(path)
	check(t, err)
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	check(t, err)
	disk, err := ext4.Open(t.Context(), f, info.Size())
	check(t, err)
	r, w := io.Pipe()
	go func() {
		_ = w.CloseWithError(guesttree.WriteTar(context.Background(), w, guesttree.Source{Image: disk}))
	}()
	snap, err := ofTar(r)
	check(t, err)
	return snap
}

func ofTar(r io.Reader) (snapshot, error) {
	snap, groups := snapshot{}, map[string][]string{}
	for tr := tar.NewReader(r); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return snap.linked(groups), nil
		}
		if err != nil {
			return nil, err
		}
		name := strings.Trim(strings.TrimPrefix(hdr.Name, "./"), "/")
		if hdr.Typeflag == tar.TypeLink {
			snap[name] = snap[hdr.Linkname]
			groups[hdr.Linkname] = append(groups[hdr.Linkname], name)
			continue
		}
		groups[name] = []string{name}
		content := hdr.Linkname
		if hdr.Typeflag == tar.TypeReg {
			if content, err = digest(tr); err != nil {
				return nil, err
			}
		}
		var xattrs []string
		for key, value := range hdr.PAXRecords {
			if key, found := strings.CutPrefix(key, "SCHILY.xattr."); found {
				xattrs = append(xattrs, key+"="+value)
			}
		}
		kind := map[byte]string{tar.TypeReg: "f", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeFifo: "p", tar.TypeChar: "c", tar.TypeBlock: "b"}[hdr.Typeflag]
		snap[name] = line(kind, hdr.Mode&0o7777, int64(hdr.Uid), int64(hdr.Gid), fmt.Sprint(hdr.Devmajor, ":", hdr.Devminor), hdr.ModTime, content, xattrs)
	}
}

func digest(r io.Reader) (string, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return fmt.Sprint(n, " ", sum(h)), err
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// ofDir reads what another tool unpacked.
func ofDir(t *testing.T, root string) snapshot {
	t.Helper()
	snap, groups := snapshot{}, map[string][]string{}
	check(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if name == "." {
			name = ""
		}
		one, ino, err := ofPath(path)
		snap[name] = one
		groups[ino] = append(groups[ino], name)
		return err
	}))
	return snap.linked(groups)
}

func ofPath(path string) (text, inode string, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", "", err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", "", errors.New("no stat")
	}
	kind := map[uint32]string{unix.S_IFREG: "f", unix.S_IFDIR: "d", unix.S_IFLNK: "l", unix.S_IFIFO: "p", unix.S_IFCHR: "c", unix.S_IFBLK: "b"}[st.Mode&unix.S_IFMT]
	content, rdev := "", "0:0"
	switch kind {
	case "f":
		f, err := os.Open(path)
		if err != nil {
			return "", "", err
		}
		content, err = digest(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", "", err
		}
	case "l":
		if content, err = os.Readlink(path); err != nil {
			return "", "", err
		}
	case "c", "b":
		rdev = fmt.Sprint(unix.Major(st.Rdev), ":", unix.Minor(st.Rdev))
	}
	xattrs, err := attributes(path)
	return line(kind, int64(st.Mode&0o7777), int64(st.Uid), int64(st.Gid), rdev, info.ModTime(), content, xattrs), fmt.Sprint(st.Ino), err
}

func attributes(path string) ([]string, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil || n == 0 {
		return nil, err
	}
	var all []string
	for key := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if !strings.HasPrefix(key, "user.") && !strings.HasPrefix(key, "security.") {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, key, value)
		if err != nil {
			return nil, err
		}
		all = append(all, key+"="+string(value[:n]))
	}
	return all, nil
}
