package suspendstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// maxManifest bounds manifest.json, in bytes: its connections are most of it.
const maxManifest = 4 << 20

func read(dir statedir.Suspended) (vm.Suspension, error) {
	if _, err := os.Lstat(string(dir)); errors.Is(err, os.ErrNotExist) {
		return vm.Suspension{}, fault.New(fault.NotFound, "%s is missing", dir)
	}
	data, err := regularfile.Read(dir.Manifest(), maxManifest)
	if err != nil {
		return vm.Suspension{}, fault.New(fault.Unavailable, "cannot read the suspended machine: %s", err) // it is there, so not NotFound
	}
	var s vm.Suspension
	if err := json.Unmarshal(data, &s); err != nil {
		return vm.Suspension{}, fault.Wrap(fault.Unavailable, err, "cannot read %s", dir.Manifest())
	}
	if s.Format != vm.SuspensionFormat {
		return vm.Suspension{}, fault.New(fault.Unavailable, "%s has format %d, this build has %d", dir.Manifest(), s.Format, vm.SuspensionFormat)
	}
	return s, nil
}

// Open returns the suspended machine in dir, once every byte of it is as it was written. Unavailable: it
// is not. The caller closes the file.
func Open(ctx context.Context, dir statedir.VM) (vm.Suspension, *os.File, error) {
	s, err := read(dir.Suspended())
	if err != nil {
		return s, nil, err
	}
	path := dir.Suspended().Machine()
	f, info, err := regularfile.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil, fault.New(fault.Unavailable, "%s is missing", path)
	}
	if err != nil {
		return s, nil, err
	}
	if info.Size() != s.Bytes {
		return s, nil, errors.Join(fault.New(fault.Unavailable, "%s has %d bytes; want %d", path, info.Size(), s.Bytes), f.Close())
	}
	if err := verify(ctx, f, s.SHA256); err != nil {
		return s, nil, errors.Join(err, f.Close())
	}
	return s, f, nil
}

func verify(ctx context.Context, f *os.File, want string) error {
	sum := sha256.New()
	buf := make([]byte, chunk)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(buf)
		_, _ = sum.Write(buf[:n]) // it never fails
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read the suspended machine: %w", err)
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		return fault.New(fault.Unavailable, "%s is damaged: its SHA-256 is %s; want %s", f.Name(), got, want)
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}
