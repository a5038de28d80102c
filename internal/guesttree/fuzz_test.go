package guesttree_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/ext4"
	"github.com/bangervm/banger/internal/ext4/ext4test"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guesttree"
)

// seedDisk is a VM's disk with something of all that a guest has there.
func seedDisk(f *testing.F) []byte {
	f.Helper()
	source := f.TempDir() + "/source"
	if err := os.WriteFile(source, bytes.Repeat([]byte("content "), 2000), 0o600); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(ext4test.Make(
		f, "mkdir system", "cd system", "mkdir upper", "mkdir work", "cd work", "mkdir index", "cd index", "write "+source+" "+handle(13),
		"cd /system/upper", "write "+source+" file", "symlink l target", "symlink long "+strings.Repeat("l", 100), "mknod gone c 0 0",
		"ln file other", "sif file links_count 2", "ea_set file user.a b", "ea_set file security.long "+strings.Repeat("v", 300),
		"mkdir d", "ea_set d trusted.overlay.redirect /lost+found", "mkdir e", "ea_set e trusted.overlay.opaque y", "cd d", "mkdir f", "mknod p p",
		"cd /", "mkdir home", "cd home", "mkdir root", "cd root", "mkdir upper", "cd upper", "write "+source+" notes",
	))
	if err != nil {
		f.Fatal(err)
	}
	return data
}

// FuzzDisk: whatever a guest made of its disk, reading it ends soon, with a tree or with
// a fault Invalid. Each change is six bytes: which of the disk's blocks with something in
// them, where in it, and what is there instead.
func FuzzDisk(f *testing.F) {
	image := ext4test.Open(f, ext4test.Make(f, "mkdir etc", "mkdir root"))
	disk := seedDisk(f)
	var used []int
	for at := 0; at < len(disk); at += 1024 {
		if bytes.Trim(disk[at:at+1024], "\x00\xff") != nil {
			used = append(used, at)
		}
	}
	f.Add([]byte{1, 0, 24, 0, 9, 0})
	f.Add([]byte{1, 0, 88, 0, 0, 16, 1, 0, 40, 0, 1, 0})
	f.Add(bytes.Repeat([]byte{9, 1, 4, 0, 255, 255}, 8))
	f.Fuzz(func(t *testing.T, changes []byte) {
		b := bytes.Clone(disk)
		for ; len(changes) >= 6; changes = changes[6:] {
			block := int(binary.LittleEndian.Uint16(changes)) % len(used)
			copy(b[used[block]+int(binary.LittleEndian.Uint16(changes[2:]))%1023:], changes[4:6])
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Second, errors.New("it goes on and on"))
		defer cancel()
		fs, err := ext4.Open(ctx, bytes.NewReader(b), int64(len(b)))
		if err == nil {
			err = guesttree.WriteTar(ctx, io.Discard, guesttree.Source{Image: image, Disk: fs, Limits: guesttree.Limits{Bytes: 64 << 20}})
		}
		if err != nil && !errors.Is(err, fault.Invalid) {
			t.Error(err)
		}
	})
}
