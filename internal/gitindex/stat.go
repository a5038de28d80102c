package gitindex

import (
	"bytes"
	"encoding/binary"
	"syscall"
)

// Mark forgets the file's times, inode and size in entry i. With clean it says
// that the file's content is the entry's: a Refresh in another place will
// believe it.
func (x *Index) Mark(i int, clean bool) {
	stat := x.stat(i)
	mode := binary.BigEndian.Uint32(stat[24:])
	clear(stat)
	binary.BigEndian.PutUint32(stat[24:], mode)
	if clean {
		binary.BigEndian.PutUint32(stat[8:], 1)
	}
}

// Unmark lets git look at the file of entry i: it is neither assumed to be
// unchanged, nor left out of the work tree.
func (x *Index) Unmark(i int) {
	e := &x.Entries[i]
	at := e.offset + statSize + len(e.OID)
	x.raw[at] &^= flagAssumed >> 8
	if e.SkipWorktree {
		x.raw[at+2] &^= flagSkipWorktree >> 8
	}
	e.Assumed, e.SkipWorktree = false, false
}

// Marked reports whether the entry was marked clean.
func (x *Index) Marked(i int) bool {
	stat := x.stat(i)
	return binary.BigEndian.Uint32(stat[8:]) == 1 && binary.BigEndian.Uint32(stat[16:]) == 0 &&
		binary.BigEndian.Uint32(stat[20:]) == 0
}

func (x *Index) stat(i int) []byte {
	at := x.Entries[i].offset
	return x.raw[at : at+statSize]
}

// Refresh says that entry i is up to date with the file that st describes.
func (x *Index) Refresh(i int, st *syscall.Stat_t) {
	putStat(x.stat(i), st)
}

// UpToDate reports whether entry i was up to date when the index was written,
// and the file that st describes has not changed since.
func (x *Index) UpToDate(i int, st *syscall.Stat_t) bool {
	e := x.Entries[i]
	have := x.stat(i)
	var want [statSize]byte
	putStat(want[:], st)
	copy(want[16:20], have[16:20]) // the device's number says nothing after a reboot
	copy(want[24:28], have[24:28])
	return bytes.Equal(want[:], have) && e.Mode == ModeOf(st.Mode)
}

// ModeOf is git's mode of a file: 0 for what git does not keep.
func ModeOf(mode uint32) uint32 {
	switch mode & syscall.S_IFMT {
	case syscall.S_IFLNK:
		return ModeSymlink
	case syscall.S_IFREG:
		if mode&0o100 != 0 {
			return ModeExecutable
		}
		return ModeFile
	default:
		return 0
	}
}

// putStat writes what git keeps of a file: each number cut to 32 bits.
func putStat(to []byte, st *syscall.Stat_t) {
	put := func(at int, value uint64) { binary.BigEndian.PutUint32(to[at:], uint32(value)) }
	put(0, uint64(st.Ctim.Sec))
	put(4, uint64(st.Ctim.Nsec))
	put(8, uint64(st.Mtim.Sec))
	put(12, uint64(st.Mtim.Nsec))
	put(16, st.Dev)
	put(20, st.Ino)
	put(28, uint64(st.Uid))
	put(32, uint64(st.Gid))
	put(36, uint64(st.Size))
}
