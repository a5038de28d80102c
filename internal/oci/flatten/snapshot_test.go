package flatten_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// item is all that is compared of one path.
type item struct {
	Kind     string // as find -type has it
	Mode     int64
	Uid, Gid int
	Time     time.Time
	Size     int
	Body     string   // of a file
	Target   string   // of a symbolic link
	Names    []string // of a hard link, all of them
	Xattrs   []string
	Device   string
}

// snapshot describes each path but the root's.
type snapshot map[string]item

// link gives the items of hard links all their names.
func (s snapshot) link(names []string) {
	slices.Sort(names)
	for _, name := range names {
		i := s[name]
		i.Names = names
		s[name] = i
	}
}

var tarKinds = map[byte]string{tar.TypeReg: "f", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeFifo: "p", tar.TypeChar: "c", tar.TypeBlock: "b"}

// readTar reads what merge wrote, and refuses what ext4's writer could not take.
func readTar(r io.Reader) (snapshot, error) {
	snap, groups := snapshot{}, map[string][]string{}
	for tr := tar.NewReader(r); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		name := strings.Trim(strings.TrimPrefix(hdr.Name, "./"), "/")
		if _, twice := snap[name]; twice {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		if clean := path.Clean("/" + name)[1:]; clean != name || strings.ContainsRune(name, 0) { // any other bytes are a name
			return nil, fmt.Errorf("%q is no clean path", name)
		}
		if parent := filepath.Dir(name); parent != "." && snap[parent].Kind != "d" {
			return nil, fmt.Errorf("%q comes before its directory", name)
		}
		if hdr.Typeflag == tar.TypeLink {
			if _, there := snap[hdr.Linkname]; !there {
				return nil, fmt.Errorf("%q links to %q, which is not there yet", name, hdr.Linkname)
			}
			snap[name] = snap[hdr.Linkname]
			groups[hdr.Linkname] = append(groups[hdr.Linkname], name)
			continue
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			return nil, err
		}
		snap[name] = itemOf(hdr, string(body))
	}
	for target, names := range groups {
		snap.link(append(names, target))
	}
	delete(snap, "")
	return snap, nil
}

func itemOf(hdr *tar.Header, body string) item {
	i := item{
		Kind: tarKinds[hdr.Typeflag], Mode: hdr.Mode, Uid: hdr.Uid, Gid: hdr.Gid, Time: hdr.ModTime.UTC(),
		Size: len(body), Body: body, Target: hdr.Linkname, Device: fmt.Sprintf("%d:%d", hdr.Devmajor, hdr.Devminor),
	}
	for key, value := range hdr.PAXRecords {
		if key, found := strings.CutPrefix(key, "SCHILY.xattr."); found {
			i.Xattrs = append(i.Xattrs, key+"="+value)
		}
	}
	slices.Sort(i.Xattrs)
	return i
}

var diskKinds = map[uint32]string{unix.S_IFREG: "f", unix.S_IFDIR: "d", unix.S_IFLNK: "l", unix.S_IFIFO: "p", unix.S_IFCHR: "c", unix.S_IFBLK: "b"}

// readDir describes what containerd made of the layers.
func readDir(root string) (snapshot, error) {
	snap, inodes := snapshot{}, map[uint64][]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		i, inode, err := lstat(path)
		if i.Kind != "d" {
			inodes[inode] = append(inodes[inode], name)
		}
		snap[name] = i
		return err
	})
	for _, names := range inodes {
		if len(names) > 1 {
			snap.link(names)
		}
	}
	return snap, err
}

func lstat(path string) (i item, inode uint64, err error) {
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		return item{}, 0, err
	}
	i = item{
		Kind: diskKinds[st.Mode&unix.S_IFMT], Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		Time: time.Unix(st.Mtim.Unix()).UTC(), Device: fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)),
	}
	switch i.Kind {
	case "f":
		data, err := os.ReadFile(path)
		if err != nil {
			return i, 0, err
		}
		i.Body, i.Size = string(data), int(st.Size)
	case "l":
		if i.Target, err = os.Readlink(path); err != nil {
			return i, 0, err
		}
	}
	i.Xattrs, err = readXattrs(path)
	return i, st.Ino, err
}

func readXattrs(path string) ([]string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(path, buf)
	if err != nil || n == 0 {
		return nil, err
	}
	var xattrs []string
	for key := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, key, value)
		if err != nil {
			return nil, err
		}
		xattrs = append(xattrs, key+"="+string(value[:n]))
	}
	slices.Sort(xattrs)
	return xattrs, nil
}
