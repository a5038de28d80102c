package templatestore

import (
	"bufio"
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
	"github.com/bangervm/banger/internal/template"
	"github.com/bangervm/banger/internal/vmm"
)

// maxManifest bounds manifest.json, in bytes.
const maxManifest = 64 << 10

// readManifest is NotFound where there is none, and Unavailable where it is of another format.
func readManifest(dir statedir.Template) (template.Manifest, error) {
	data, err := regularfile.Read(dir.Manifest(), maxManifest)
	if err != nil {
		return template.Manifest{}, err
	}
	var m template.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fault.Wrap(fault.Unavailable, err, "cannot read %s", dir.Manifest())
	}
	if m.Format != template.Format {
		return m, fault.New(fault.Unavailable, "%s has format %d, this build has %d", dir.Manifest(), m.Format, template.Format)
	}
	return m, nil
}

// load reads a stored machine into memory, and checks every byte of it.
func load(dir statedir.Template, m template.Manifest) (vmm.Saved, error) {
	saved := vmm.Saved{Shape: m.Shape, TSCKHz: m.TSCKHz}
	err := verified(dir.State(), m.State, func(r io.Reader) (err error) {
		saved.State, err = readState(r, m.State.Bytes)
		return err
	})
	if err == nil {
		err = verified(dir.Memory(), m.Memory, func(r io.Reader) (err error) {
			saved.Memory, err = readMemory(r, m.About.MemoryBytes)
			return err
		})
	}
	if err == nil {
		err = errors.Join(vmm.Seal(saved.State), vmm.Seal(saved.Memory))
	}
	if err != nil {
		return vmm.Saved{}, errors.Join(err, saved.Close())
	}
	return saved, nil
}

// readState makes a file in memory of a state of this many bytes. The caller closes it.
func readState(r io.Reader, size int64) (*os.File, error) {
	if size <= 0 || size > vmm.MaxSavedState {
		return nil, fault.New(fault.Unavailable, "the state has %d bytes", size)
	}
	state, err := vmm.NewMemoryFile("state", 0)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(state, r); err != nil {
		return nil, errors.Join(err, state.Close())
	}
	return state, nil
}

// verified has read read a file, which is Unavailable if it is not what want says.
func verified(path string, want template.File, read func(io.Reader) error) error {
	f, info, err := regularfile.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.Unavailable, "%s is missing", path)
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if info.Size() != want.Bytes {
		return fault.New(fault.Unavailable, "%s has %d bytes; want %d", path, info.Size(), want.Bytes)
	}
	sum := sha256.New()
	in := io.TeeReader(io.LimitReader(bufio.NewReaderSize(f, chunk), want.Bytes), sum)
	if err := read(in); err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot read %s", path)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want.SHA256 {
		return fault.New(fault.Unavailable, "%s is damaged: its SHA-256 is %s; want %s", path, got, want.SHA256)
	}
	return nil
}
