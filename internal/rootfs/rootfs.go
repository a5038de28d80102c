// Package rootfs makes ext4 filesystems in ordinary files, without root and
// without mounting them: read-only ones from a tar stream, and empty ones for
// the disks of VMs.
package rootfs

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"

	"github.com/Microsoft/hcsshim/ext4/tar2ext4"
	"golang.org/x/sync/errgroup"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// DefaultMaxBytes bounds a filesystem made by FromTar unless Options say
// otherwise.
const DefaultMaxBytes = 256 << 30

// Options of FromTar. The zero value is ready to use.
type Options struct {
	// MaxBytes bounds the filesystem's size; 0 means DefaultMaxBytes.
	MaxBytes int64
	// UUID of the filesystem, as uuidText makes it; empty means a random one. The same
	// stream with the same UUID makes the same file.
	UUID string
	// Hash fills in Info.SHA256, while the file is synced.
	Hash bool
}

// Info describes a filesystem that FromTar made.
type Info struct {
	SizeBytes int64  // apparent size of the file
	DiskBytes int64  // what it takes on the host's disk
	UUID      string // as in the superblock
	SHA256    string // of the file, in hex; empty unless it was asked for
}

// FromTar writes the entries of an uncompressed tar stream as a read-only ext4
// filesystem into the file path, which is created or replaced. The file is
// sparse, synced to disk, and clean by e2fsck. The stream must be in final
// order: no entry may replace another file, and a hard link follows its target.
//
// Cancelling ctx ends it with ctx's error. On any error the file is removed. A
// full disk is a fault Unavailable; entries that the format cannot hold are
// Invalid; an error of the stream itself is returned as it came.
func FromTar(ctx context.Context, tar io.Reader, path string, opts Options) (info Info, err error) {
	if opts.MaxBytes == 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	uuid := randomUUID()
	if opts.UUID != "" {
		if uuid, err = parseUUID(opts.UUID); err != nil {
			return Info{}, err
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return Info{}, statedir.DiskFault(err, path)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = statedir.DiskFault(closeErr, path)
		}
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	if err := convert(ctx, tar, newSparseWriter(ctx, f), opts); err != nil {
		return Info{}, statedir.DiskFault(err, path)
	}
	if err := finish(f, uuid); err != nil {
		return Info{}, statedir.DiskFault(err, path)
	}
	return settle(ctx, f, opts.Hash)
}

// settle syncs the file, which waits for the disk, and beside that hashes it, which
// takes the CPU.
func settle(ctx context.Context, f *os.File, hash bool) (Info, error) {
	var hexed string
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return statedir.DiskFault(f.Sync(), f.Name()) })
	if hash {
		group.Go(func() (err error) {
			hexed, err = sum(ctx, f)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Info{}, err
	}
	info, err := describe(f)
	info.SHA256 = hexed
	return info, err
}

// convert runs the writer, which reports its panics on hostile sizes as errors.
func convert(ctx context.Context, tar io.Reader, w *sparseWriter, opts Options) (err error) {
	src := &source{ctx: ctx, r: tar}
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Invalid, "ext4 cannot hold the tar stream: %v", p)
		}
	}()
	err = tar2ext4.ConvertTarToExt4(src, w, tar2ext4.MaximumDiskSize(opts.MaxBytes))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case src.err != nil:
		return src.err
	case w.err != nil:
		return w.err
	case err != nil:
		return fault.Wrap(fault.Invalid, err, "the files do not fit an ext4 filesystem")
	}
	return w.close()
}

// source ends the stream when ctx ends, and remembers the error of the stream
// itself, so that it is told apart from the writer's.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// randomUUID returns a version 4 UUID (RFC 9562, section 5.4).
func randomUUID() (id [16]byte) {
	_, _ = rand.Read(id[:]) // never fails: see crypto/rand
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}
