package rootfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
)

// Describe reads the whole file of a filesystem. It ends when ctx does.
func Describe(ctx context.Context, path string) (Info, error) {
	f, _, err := regularfile.Open(path)
	if err != nil {
		return Info{}, err
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := describe(f)
	if err != nil {
		return Info{}, err
	}
	info.SHA256, err = sum(ctx, f)
	return info, err
}

// sum returns the SHA-256 of the whole file, in hex.
func sum(ctx context.Context, f *os.File) (string, error) {
	h := sha256.New()
	whole := &source{ctx: ctx, r: io.NewSectionReader(f, 0, 1<<62)}
	if _, err := io.CopyBuffer(h, whole, make([]byte, 256<<10)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func describe(f *os.File) (Info, error) {
	stat, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	info := Info{SizeBytes: stat.Size()}
	if sys, ok := stat.Sys().(*syscall.Stat_t); ok {
		info.DiskBytes = sys.Blocks * 512
	}
	var uuid [16]byte
	if _, err := f.ReadAt(uuid[:], superblockOffset+sbUUID); err == nil {
		info.UUID = uuidText(uuid)
	}
	return info, nil
}

func uuidText(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func parseUUID(text string) (id [16]byte, err error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != len(id) {
		return id, fault.New(fault.Invalid, "%q is not a UUID", text)
	}
	return [16]byte(raw), nil
}
