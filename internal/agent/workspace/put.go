package workspace

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

// stagingMark is in the name of a work tree that is not complete.
const stagingMark = ".banger-staging-"

// spare is what must stay free on the guest's disk, in bytes; perFile what a
// file takes besides its data.
const (
	spare   = 16 << 20
	perFile = 4 << 10
)

// put writes the tree that in carries, and lets it appear at req.Path at once.
func put(ctx context.Context, req agentrpc.WorkspaceRequest, in *bufio.Reader) error {
	if req.Path == "/run" || strings.HasPrefix(req.Path, "/run/") {
		return refuse(codeInvalid, "%s is in memory only: it would be lost when the VM stops", req.Path)
	}
	parent, _ := filepath.Split(req.Path)
	staging, err := stage(req)
	if err != nil {
		return describePlace(err, req.Path)
	}
	err = fill(ctx, staging, req, in)
	if err == nil {
		err = describePlace(place(staging, req.Path, req.Replace), req.Path)
	}
	// After a success this is what was replaced, if anything.
	return describeFull(errors.Join(err, os.RemoveAll(staging)), parent, req)
}

// stage makes the directory beside req.Path that is filled.
func stage(req agentrpc.WorkspaceRequest) (string, error) {
	parent, name := filepath.Split(req.Path)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	if err := replaceable(req.Path, req.Replace); err != nil {
		return "", err
	}
	sweep(parent, name)
	if err := checkSpace(parent, req); err != nil {
		return "", err
	}
	return os.MkdirTemp(parent, "."+name+stagingMark)
}

// describePlace says what is wrong with a place where nothing can be put.
func describePlace(err error, path string) error {
	switch {
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EEXIST), errors.Is(err, syscall.ELOOP):
		return refuse(codeInvalid, "%s is below something that is not a directory", path)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return refuse(codeInvalid, "%.40s… is too long for a path", path)
	case errors.Is(err, syscall.EBUSY):
		return refuse(codeInvalid, "%s is a mount point, which cannot be replaced", path)
	case errors.Is(err, syscall.EROFS):
		return refuse(codeInvalid, "%s is on a read-only filesystem", path)
	}
	return err
}

// describeFull gives an error that a full disk made the figures of dir's
// filesystem, from which all that was written is gone again.
func describeFull(err error, dir string, req agentrpc.WorkspaceRequest) error {
	var st unix.Statfs_t
	if !isFull(err) || unix.Statfs(dir, &st) != nil {
		return err
	}
	return fmt.Errorf("%w; the workspace has %d files of %d MiB, and without it %d of %d MiB and %d inodes are free in %s", err,
		req.Files, req.Bytes>>20, int64(st.Bavail)*st.Bsize>>20, int64(st.Blocks)*st.Bsize>>20, st.Ffree, dir)
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func fill(ctx context.Context, staging string, req agentrpc.WorkspaceRequest, in *bufio.Reader) error {
	if err := os.Chmod(staging, 0o755); err != nil {
		return err
	}
	indexes, err := unpack(ctx, agentrpc.NewTreeReader(in), staging)
	if err != nil {
		return err
	}
	for _, index := range indexes {
		if err := refresh(filepath.Join(staging, index), req.Format); err != nil {
			return fmt.Errorf("refresh %s: %w", index, err)
		}
	}
	return syncFilesystem(staging)
}

// syncFilesystem makes sure that what will be renamed is on the disk: a machine
// that is ended hard must not leave empty files under the final name.
func syncFilesystem(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(dir.Fd())), dir.Close())
}

// replaceable refuses a place where something is that nobody gave up.
func replaceable(path string, replace bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.IsDir():
		return refuse(codeInvalid, "%s exists and is not a directory", path)
	case replace:
		return nil
	}
	entries, err := os.ReadDir(path)
	if err == nil && len(entries) > 0 {
		err = refuse(codeConflict, "%s is not empty", path)
	}
	return err
}

// sweep removes what a machine left that was ended in the middle of a put.
func sweep(parent, name string) {
	left, err := filepath.Glob(filepath.Join(parent, "."+quoteGlob(name)+stagingMark+"*"))
	if err != nil {
		return
	}
	for _, path := range left {
		_ = os.RemoveAll(path) // only space is lost, and the next put tries again
	}
}

func quoteGlob(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

func checkSpace(dir string, req agentrpc.WorkspaceRequest) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return err
	}
	free := int64(st.Bavail) * st.Bsize
	if need := req.Bytes + req.Files*perFile + spare; need > free {
		return refuse(codeUnavailable, "not enough space on the guest's disk for the workspace: it needs %d MiB, and %d MiB are free", need>>20, free>>20)
	}
	if req.Files > int64(st.Ffree) && st.Files > 0 {
		return refuse(codeUnavailable, "not enough inodes on the guest's disk for %d files: %d are free", req.Files, st.Ffree)
	}
	return nil
}

// place lets staging appear at target. Afterwards staging is gone, or is what
// was at target before.
func place(staging, target string, replace bool) error {
	_ = os.Remove(target) // succeeds only for an empty directory
	err := unix.Renameat2(unix.AT_FDCWD, staging, unix.AT_FDCWD, target, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) { // a filesystem without that flag
		if _, statErr := os.Lstat(target); statErr == nil {
			err = unix.EEXIST
		} else {
			err = os.Rename(staging, target)
		}
	}
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if err := replaceable(target, replace); err != nil {
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, staging, unix.AT_FDCWD, target, unix.RENAME_EXCHANGE)
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	old := staging + ".old"
	if err := os.Rename(target, old); err != nil {
		return err
	}
	if err := os.Rename(staging, target); err != nil {
		return errors.Join(err, os.Rename(old, target))
	}
	return os.Rename(old, staging)
}
