// Package gitindex reads git's index file and changes what it says of files'
// times and inodes: Documentation/gitformat-index.txt of git, versions 2 and 3.
package gitindex

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

// File modes of entries.
const (
	ModeFile       = 0o100644
	ModeExecutable = 0o100755
	ModeSymlink    = 0o120000
	ModeGitlink    = 0o160000
	ModeTree       = 0o040000
)

// MaxSize bounds an index, in bytes.
const MaxSize = 1 << 30

// ErrFormat says that the bytes are no index of version 2 or 3.
var ErrFormat = errors.New("not a git index of version 2 or 3")

const (
	headerSize = 12
	statSize   = 40
	maxPath    = 4096

	flagAssumed      = 0x8000
	flagExtended     = 0x4000
	flagStage        = 0x3000
	flagName         = 0x0fff
	flagSkipWorktree = 0x4000 // of the extended flags
)

// Index is a parsed index. It keeps the bytes it was parsed from.
type Index struct {
	Entries []Entry
	raw     []byte // header and entries
	tree    []byte // the TREE extension, if there is one
	hash    func() hash.Hash
}

// Entry is one path of the index.
type Entry struct {
	Path         string
	Mode         uint32
	OID          string // raw bytes
	Stage        int    // not 0: a conflict
	SkipWorktree bool   // sparse: the file is not there
	Assumed      bool   // unchanged, whatever the file is
	offset       int
}

// HashSize is the length of an object name in a repository's object format
// ("sha1" or "sha256"), in bytes.
func HashSize(format string) int {
	if format == "sha256" {
		return sha256.Size
	}
	return sha1.Size
}

// Parse reads an index whose object names are hashSize bytes long. It keeps data.
func Parse(data []byte, hashSize int) (*Index, error) {
	x := &Index{hash: sha1.New}
	if hashSize == sha256.Size {
		x.hash = sha256.New
	}
	if len(data) < headerSize+hashSize || len(data) > MaxSize || string(data[:4]) != "DIRC" {
		return nil, ErrFormat
	}
	version := binary.BigEndian.Uint32(data[4:])
	count := int(binary.BigEndian.Uint32(data[8:]))
	if version != 2 && version != 3 {
		return nil, fmt.Errorf("%w: version %d", ErrFormat, version)
	}
	body := data[:len(data)-hashSize]
	if count > len(body)/(statSize+hashSize) {
		return nil, fmt.Errorf("%w: %d entries in %d bytes", ErrFormat, count, len(data))
	}
	x.Entries = make([]Entry, 0, count)
	at := headerSize
	for range count {
		e, next, err := parseEntry(body, at, hashSize)
		if err != nil {
			return nil, err
		}
		x.Entries = append(x.Entries, e)
		at = next
	}
	x.raw = body[:at]
	return x, x.parseExtensions(body[at:])
}

func parseEntry(body []byte, at, hashSize int) (Entry, int, error) {
	fixed := statSize + hashSize + 2
	if len(body)-at < fixed {
		return Entry{}, 0, fmt.Errorf("%w: it ends in an entry", ErrFormat)
	}
	e := Entry{offset: at, Mode: binary.BigEndian.Uint32(body[at+24:]), OID: string(body[at+statSize : at+statSize+hashSize])}
	flags := binary.BigEndian.Uint16(body[at+statSize+hashSize:])
	e.Stage = int(flags&flagStage) >> 12
	e.Assumed = flags&flagAssumed != 0
	if flags&flagExtended != 0 {
		fixed += 2
		if len(body)-at < fixed {
			return Entry{}, 0, fmt.Errorf("%w: it ends in an entry", ErrFormat)
		}
		e.SkipWorktree = binary.BigEndian.Uint16(body[at+fixed-2:])&flagSkipWorktree != 0
	}
	length := bytes.IndexByte(body[at+fixed:min(len(body), at+fixed+maxPath+1)], 0)
	if length <= 0 {
		return Entry{}, 0, fmt.Errorf("%w: a path has no end", ErrFormat)
	}
	if n := int(flags & flagName); n != length && n != flagName {
		return Entry{}, 0, fmt.Errorf("%w: a path of %d bytes is said to have %d", ErrFormat, length, n)
	}
	e.Path = string(body[at+fixed : at+fixed+length])
	next := at + (fixed+length+8)/8*8 // 1 to 8 zero bytes
	if next > len(body) {
		return Entry{}, 0, fmt.Errorf("%w: it ends in an entry", ErrFormat)
	}
	return e, next, nil
}

// parseExtensions keeps the cache of trees, and refuses what a reader must
// understand: an index whose entries are in another file, or are whole directories.
func (x *Index) parseExtensions(rest []byte) error {
	for len(rest) > 0 {
		if len(rest) < 8 {
			return fmt.Errorf("%w: it ends in an extension", ErrFormat)
		}
		size := int(binary.BigEndian.Uint32(rest[4:]))
		if size > len(rest)-8 {
			return fmt.Errorf("%w: it ends in an extension", ErrFormat)
		}
		if rest[0] < 'A' || rest[0] > 'Z' {
			return fmt.Errorf("%w: it needs the extension %q", ErrFormat, rest[:4])
		}
		if string(rest[:4]) == "TREE" {
			x.tree = rest[:8+size]
		}
		rest = rest[8+size:]
	}
	return nil
}

// Bytes is the index as a file: entries, the cache of trees, the checksum.
func (x *Index) Bytes() []byte {
	out := make([]byte, 0, len(x.raw)+len(x.tree)+sha256.Size)
	out = append(append(out, x.raw...), x.tree...)
	sum := x.hash()
	sum.Write(out)
	return sum.Sum(out)
}

// Empty is an index without entries.
func Empty(hashSize int) *Index {
	x := &Index{hash: sha1.New, raw: []byte("DIRC\x00\x00\x00\x02\x00\x00\x00\x00")}
	if hashSize == sha256.Size {
		x.hash = sha256.New
	}
	return x
}

// Gitlinks are the paths of submodules.
func (x *Index) Gitlinks() []string {
	var links []string
	for _, e := range x.Entries {
		if e.Mode == ModeGitlink {
			links = append(links, e.Path)
		}
	}
	return links
}

// ForgetTrees drops the cache of trees, whose objects may be nowhere.
func (x *Index) ForgetTrees() { x.tree = nil }
