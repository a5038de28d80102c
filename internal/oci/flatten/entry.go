package flatten

import (
	"archive/tar"
	"fmt"
	"math"
	"path"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

const xattrRecord = "SCHILY.xattr."

// entry is what is kept of one header: nothing of it refers to the header, whose
// strings may be parts of a record a thousand times their size. Its content is
// at offset of the layer's tar or, when it was sparse there, of the Side.
type entry struct {
	name         string // cleaned
	link         string
	xattrs       map[string]string
	mtime        time.Time
	size, offset int64
	uid, gid     uint32
	major, minor uint32
	mode         uint16
	typ          byte // TypeReg for all kinds of files
	side         bool
}

// newEntry refuses what an ordinary filesystem would.
func newEntry(hdr *tar.Header) (entry, error) {
	e := entry{
		name: strings.Clone(path.Clean(hdr.Name)), mtime: hdr.ModTime, typ: hdr.Typeflag, mode: uint16(hdr.Mode & 0o7777),
		uid: uint32(hdr.Uid), gid: uint32(hdr.Gid),
	}
	fail := func(format string, args ...any) (entry, error) {
		return entry{}, fault.New(fault.Invalid, "%s: %s", describe(hdr.Name), fmt.Sprintf(format, args...))
	}
	switch {
	case len(e.name) > maxPathLength:
		return fail("its path has %d bytes; the limit is %d", len(e.name), maxPathLength)
	case hdr.Uid < 0 || hdr.Uid >= math.MaxUint32 || hdr.Gid < 0 || hdr.Gid >= math.MaxUint32:
		return fail("its owner %d:%d is out of range", hdr.Uid, hdr.Gid)
	case hdr.Size < 0:
		return fail("its size is %d", hdr.Size)
	}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		e.typ, e.size = tar.TypeReg, hdr.Size
	case tar.TypeSymlink, tar.TypeLink:
		if hdr.Linkname == "" || len(hdr.Linkname) >= maxPathLength {
			return fail("it is a link to a path of %d bytes", len(hdr.Linkname))
		}
		e.link = strings.Clone(hdr.Linkname)
	case tar.TypeChar, tar.TypeBlock:
		if hdr.Devmajor < 0 || hdr.Devmajor >= 1<<12 || hdr.Devminor < 0 || hdr.Devminor >= 1<<20 {
			return fail("the device number %d:%d is out of range", hdr.Devmajor, hdr.Devminor)
		}
		e.major, e.minor = uint32(hdr.Devmajor), uint32(hdr.Devminor)
	case tar.TypeDir, tar.TypeFifo:
	default:
		return fail("its type %q is not known", hdr.Typeflag)
	}
	e.keepXattrs(hdr)
	return e, nil
}

func (e *entry) keepXattrs(hdr *tar.Header) {
	for record, value := range hdr.PAXRecords {
		key, found := strings.CutPrefix(record, xattrRecord)
		if !found || !takesXattr(key) {
			continue
		}
		if e.xattrs == nil {
			e.xattrs = map[string]string{}
		}
		e.xattrs[strings.Clone(key)] = strings.Clone(value)
	}
}

// takesXattr leaves out what Linux would not let an archive set: trusted
// attributes are the host's (overlayfs keeps its own there).
func takesXattr(key string) bool {
	namespace, name, _ := strings.Cut(key, ".")
	return name != "" && len(key) <= maxNameLength && (namespace == "security" || namespace == "user")
}

// xattrOverhead is what a map of attributes takes beside their bytes.
const xattrOverhead = 64

// kept is how many bytes of its own the entry holds, but for what each has.
func (e *entry) kept() int64 {
	n := len(e.name) + len(e.link)
	for key, value := range e.xattrs {
		n += len(key) + len(value) + xattrOverhead
	}
	return int64(n)
}

func describe(name string) string {
	return fmt.Sprintf("entry %q", plain.Value(name))
}
