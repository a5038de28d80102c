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

	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/template"
	"github.com/bangervm/banger/internal/vmm"
)

// Write writes a saved machine to dir, which it makes. Commit completes its manifest.
func Write(dir statedir.Template, saved vmm.Saved) error {
	if err := os.Mkdir(string(dir), 0o700); err != nil {
		return err
	}
	m := template.Manifest{Format: template.Format, Shape: saved.Shape, TSCKHz: saved.TSCKHz}
	info, err := saved.Memory.Stat()
	if err != nil {
		return err
	}
	m.About.MemoryBytes = info.Size()
	m.State, err = writeFile(dir.State(), func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(saved.State, 0, vmm.MaxSavedState))
		return err
	})
	if err != nil {
		return fmt.Errorf("write the machine's state: %w", err)
	}
	m.Memory, err = writeFile(dir.Memory(), func(w io.Writer) error { return writeMemory(w, saved.Memory) })
	if err != nil {
		return fmt.Errorf("write the machine's memory: %w", err)
	}
	return writeManifest(dir, m)
}

// writeFile writes one file, synced.
func writeFile(path string, write func(io.Writer) error) (_ template.File, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return template.File{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	out := bufio.NewWriterSize(f, chunk)
	if err := errors.Join(write(io.MultiWriter(out, sum)), out.Flush(), f.Sync()); err != nil {
		return template.File{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return template.File{}, err
	}
	return template.File{Bytes: info.Size(), SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

func writeManifest(dir statedir.Template, m template.Manifest) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	staging := dir.Manifest() + statedir.StagingSuffix
	if err := os.WriteFile(staging, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	return os.Rename(staging, dir.Manifest())
}
