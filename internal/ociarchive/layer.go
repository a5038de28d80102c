package ociarchive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/statedir"
)

// Blob is a layer that can be written.
type Blob struct {
	MediaType string
	Digest    string // sha256:… of what Write writes
	DiffID    string // sha256:… of the uncompressed tar
	Size      int64  // of what Write writes, in bytes
	// CreatedAt is for the image's history. The zero value: when the image was made.
	CreatedAt time.Time
	// CreatedBy is what made the layer, for the history.
	CreatedBy string
	// Write writes the layer. It may be called again, and writes the same.
	Write Layer
}

// Measure reads a tar once, which becomes an uncompressed layer. An error of the tar is
// returned as it is.
func Measure(ctx context.Context, tar Layer) (Blob, error) {
	sum := newSum(io.Discard)
	if err := tar(ctx, sum); err != nil {
		return Blob{}, err
	}
	return Blob{MediaType: layerType, Digest: sum.digest(), DiffID: sum.digest(), Size: sum.n, CreatedBy: "banger", Write: tar}, nil
}

// InFile is the layer in a file, which it reads once: Unavailable unless it is whole.
// The file stays open as long as the Blob is used.
func InFile(ctx context.Context, f *os.File, b Blob) (Blob, error) {
	b.Write = func(ctx context.Context, w io.Writer) error {
		_, err := io.Copy(w, &untilDone{ctx: ctx, r: io.NewSectionReader(f, 0, b.Size)})
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return b, err
	}
	sum := newSum(io.Discard)
	if err := b.Write(ctx, sum); err != nil {
		return b, err
	}
	if info.Size() != b.Size || sum.digest() != b.Digest {
		return b, fault.New(fault.Unavailable, "the file %s has changed: its SHA-256 is not that of layer %s", f.Name(), b.Digest)
	}
	return b, nil
}

// Store writes a tar as a compressed layer into the directory dir, which it makes if need
// be, in a file called by the hex digits of its digest. The file is on disk for good, its
// name is when dir is synced. What fails leaves a file with the staging suffix.
func Store(ctx context.Context, dir string, tar Layer) (image.Layer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return image.Layer{}, statedir.DiskFault(err, dir)
	}
	f, err := os.CreateTemp(dir, "*"+statedir.StagingSuffix)
	if err != nil {
		return image.Layer{}, statedir.DiskFault(err, dir)
	}
	layer, err := compress(ctx, f, tar)
	if err == nil {
		err = errors.Join(f.Chmod(0o400), f.Sync())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return image.Layer{}, statedir.DiskFault(err, dir)
	}
	path := filepath.Join(dir, layer.Digest[len("sha256:"):])
	return layer, statedir.DiskFault(os.Rename(f.Name(), path), path)
}

func compress(ctx context.Context, f *os.File, tar Layer) (image.Layer, error) {
	room := statedir.NewRoom(filepath.Dir(f.Name()))
	file := newSum(writerFunc(func(b []byte) (int, error) {
		if err := room.Take(int64(len(b))); err != nil {
			return 0, err
		}
		return f.Write(b)
	}))
	zip := gzip.NewWriter(file)
	plain := newSum(zip)
	if err := errors.Join(tar(ctx, plain), zip.Close()); err != nil {
		return image.Layer{}, err
	}
	return image.Layer{Digest: file.digest(), DiffID: plain.digest(), Bytes: file.n, MediaType: gzipType}, nil
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(b []byte) (int, error) { return w(b) }

// sum passes bytes on and sums them up.
type sum struct {
	w    io.Writer
	hash hash.Hash
	n    int64
}

func newSum(w io.Writer) *sum { return &sum{w: w, hash: sha256.New()} }

func (s *sum) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.n += int64(n)
	_, _ = s.hash.Write(b[:n])
	return n, err
}

func (s *sum) digest() string { return "sha256:" + hex.EncodeToString(s.hash.Sum(nil)) }

// untilDone ends with ctx's error when that ends.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(b)
}
