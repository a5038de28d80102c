package kernelbundle

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
)

// Pack packs the kernel m, whose files are in dir, as NAME.tar.zst into the
// directory to, and returns the entry of a catalog in which the bundle stands
// beside it. The same kernel gives the same bytes. A bundle of that name is
// replaced, whole or not at all.
func Pack(ctx context.Context, m kernel.Manifest, dir statedir.Kernel, to string) (e kernel.Entry, err error) {
	file := m.Name + ".tar.zst"
	staged, err := os.CreateTemp(to, file+".*"+statedir.StagingSuffix)
	if err != nil {
		return kernel.Entry{}, err
	}
	defer func() { _ = os.Remove(staged.Name()) }() // gone when it was renamed
	h := sha256.New()
	err = write(ctx, io.MultiWriter(staged, h), m, dir)
	size, serr := staged.Seek(0, io.SeekCurrent)
	if err := errors.Join(err, serr, staged.Chmod(0o644), staged.Sync(), staged.Close()); err != nil {
		return kernel.Entry{}, fmt.Errorf("pack kernel %s: %w", m.Name, err)
	}
	if err := os.Rename(staged.Name(), filepath.Join(to, file)); err != nil {
		return kernel.Entry{}, err
	}
	return kernel.Entry{
		Name: m.Name, Distro: "other", Arch: m.Architecture, KernelVersion: m.Version, Description: "Linux " + m.Version,
		TarballURL: file, TarballSHA256: hex.EncodeToString(h.Sum(nil)), SizeBytes: size,
	}, nil
}

func write(ctx context.Context, w io.Writer, m kernel.Manifest, dir statedir.Kernel) (err error) {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	out := tar.NewWriter(z)
	description, err := json.MarshalIndent(kernel.BundleOf(m), "", "  ")
	if err != nil {
		return err
	}
	if err := out.WriteHeader(header(kernel.BundleManifest, int64(len(description)))); err != nil {
		return err
	}
	if _, err := out.Write(description); err != nil {
		return err
	}
	for _, part := range parts(m, dir) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := addFile(out, part.name, part.path); err != nil && (!part.optional || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return out.Close()
}

// part is a file of a bundle, and where it is in the kernel's directory.
type part struct {
	name, path string
	optional   bool
}

func parts(m kernel.Manifest, dir statedir.Kernel) []part {
	all := []part{
		{kernel.BundleVmlinux, dir.Vmlinux(), false}, {kernel.BundleInitrd, dir.Initrd(), true}, {kernel.BundleModules, dir.Modules(), true},
	}
	for _, name := range slices.Sorted(slices.Values(slices.Concat(m.BootModules, m.LateModules))) {
		all = append(all, part{path.Join(kernel.BundleBootModules, name), filepath.Join(dir.BootModules(), name), false})
	}
	return all
}

// header has nothing of the machine or the time in it.
func header(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, Format: tar.FormatUSTAR}
}

func addFile(out *tar.Writer, name, from string) error {
	f, info, err := regularfile.Open(from)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	if err := out.WriteHeader(header(name, info.Size())); err != nil {
		return err
	}
	_, err = io.Copy(out, f)
	return err
}
