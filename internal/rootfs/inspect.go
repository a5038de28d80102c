package rootfs

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/bangervm/banger/internal/ext4"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
)

// Root is a root filesystem that somebody else made.
type Root struct {
	SizeBytes int64
	// Architecture is that of its programs, as GOARCH has it; empty: not known.
	Architecture string
}

// Inspect reads the filesystem in the file at path. Invalid unless that is an ext4
// that was cleanly unmounted and has the directories of a root. It may say anything:
// what is read is bounded.
func Inspect(ctx context.Context, path string) (Root, error) {
	f, stat, err := regularfile.Open(path)
	if err != nil {
		return Root{}, err
	}
	defer f.Close() //nolint:errcheck // read only
	arch, err := inspect(ctx, f, stat.Size())
	if err != nil {
		return Root{}, fmt.Errorf("%s: %w", path, err)
	}
	return Root{SizeBytes: stat.Size(), Architecture: arch}, nil
}

// The superblock's state, and the feature that says that the journal is not
// carried out.
const (
	sbState         = 0x3A
	sbIncompat      = 0x60
	stateClean      = 1
	stateErrors     = 2
	incompatRecover = 0x4
)

func inspect(ctx context.Context, r io.ReaderAt, size int64) (arch string, err error) {
	var head [superblockOffset + superblockSize]byte
	if n, err := r.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	} else if kind := otherKind(head[:n]); kind != "" {
		return "", fault.New(fault.Invalid, "it is %s, not an ext4 filesystem", kind).
			WithHint("an image needs the bare filesystem, without a partition table: mkfs.ext4 -d DIRECTORY rootfs.ext4 8G")
	}
	fsys, err := ext4.Open(ctx, r, size)
	if err != nil {
		return "", err
	}
	sb := head[superblockOffset:]
	state, incompat := binary.LittleEndian.Uint16(sb[sbState:]), binary.LittleEndian.Uint32(sb[sbIncompat:])
	if state&stateClean == 0 || state&stateErrors != 0 || incompat&incompatRecover != 0 {
		return "", fault.New(fault.Invalid, "the filesystem was not cleanly unmounted, or has errors").
			WithHint("unmount it, then e2fsck -f FILE")
	}
	return programs(ctx, fsys)
}

// otherKind says what a file is by its first bytes; empty: not known, or ext4.
func otherKind(head []byte) string {
	if len(head) >= superblockOffset+sbMagic+2 && binary.LittleEndian.Uint16(head[superblockOffset+sbMagic:]) == ext4Magic {
		return ""
	}
	for magic, kind := range map[string]string{
		"QFI\xfb": "a qcow2 disk", "hsqs": "a squashfs", "XFSB": "an XFS", "\x1f\x8b": "compressed (gzip)",
		"\x28\xb5\x2f\xfd": "compressed (zstd)", "\xfd7zXZ": "compressed (xz)",
	} {
		if strings.HasPrefix(string(head), magic) {
			return kind
		}
	}
	if len(head) >= 512 && bytes.Equal(head[510:512], []byte{0x55, 0xAA}) {
		return "a disk with a partition table"
	}
	return ""
}

// programs returns the architecture of the programs, by one that a root has.
func programs(ctx context.Context, fsys *ext4.FS) (string, error) {
	found := false
	for _, dir := range []string{"usr", "bin", "sbin", "etc"} {
		n, err := fsys.Lookup(ctx, dir)
		if err != nil {
			return "", err
		}
		found = found || n != nil
	}
	if !found {
		return "", fault.New(fault.Invalid, "it has no root filesystem: none of /usr, /bin, /sbin and /etc")
	}
	for _, name := range []string{"sbin/init", "bin/sh", "bin/busybox", "usr/bin/env"} {
		n, err := follow(ctx, fsys, name)
		if err != nil {
			return "", err
		}
		if n == nil || n.Type != ext4.TypeRegular {
			continue
		}
		if arch, err := architecture(ctx, fsys, n); arch != "" || err != nil {
			return arch, err
		}
	}
	return "", nil
}

// maxLinks is how many links a path may have, as for the kernel.
const maxLinks = 40

// follow finds a path, through links, inside the filesystem. What is not there is nil.
func follow(ctx context.Context, fsys *ext4.FS, name string) (*ext4.Inode, error) {
	at, rest := "", name
	for range maxLinks {
		first, after, more := strings.Cut(rest, "/")
		next := path.Join(at, first)
		n, err := fsys.Lookup(ctx, next)
		switch {
		case err != nil || n == nil:
			return nil, err
		case n.Type != ext4.TypeSymlink && !more:
			return n, nil
		case n.Type != ext4.TypeSymlink:
			at, rest = next, after
			continue
		}
		target, err := fsys.Readlink(ctx, n)
		if err != nil {
			return nil, err
		}
		if !path.IsAbs(target) {
			target = path.Join("/", at, target)
		}
		at, rest = "", path.Join(target, after)[1:]
	}
	return nil, nil
}

// architecture is that of an ELF program, as GOARCH has it; empty: it is none that
// is known.
func architecture(ctx context.Context, fsys *ext4.FS, n *ext4.Inode) (string, error) {
	content, err := fsys.Content(ctx, n)
	if err != nil {
		return "", err
	}
	head, err := io.ReadAll(io.LimitReader(content, 20))
	if err != nil {
		return "", err
	}
	if len(head) < 20 || string(head[:4]) != elf.ELFMAG {
		return "", nil // a script, or a program of another kind
	}
	switch elf.Machine(binary.LittleEndian.Uint16(head[18:])) {
	case elf.EM_X86_64:
		return "amd64", nil
	case elf.EM_AARCH64:
		return "arm64", nil
	default:
		return "", fault.New(fault.Invalid, "its programs are for another architecture (ELF machine %d)", binary.LittleEndian.Uint16(head[18:]))
	}
}
