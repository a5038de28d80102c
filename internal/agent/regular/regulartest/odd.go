// Package regulartest makes what a guest may have in place of a regular file.
package regulartest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Odd are things that are not a file that can be read in full, by name. Each
// function makes one at path, where nothing is.
func Odd() map[string]func(t *testing.T, path string) {
	must := func(make func(path string) error) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := make(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	odd := map[string]func(*testing.T, string){
		"FIFO":            must(func(path string) error { return syscall.Mkfifo(path, 0o644) }),
		"empty directory": must(func(path string) error { return os.Mkdir(path, 0o755) }),
		"full directory":  must(func(path string) error { return os.MkdirAll(filepath.Join(path, "d", "e"), 0o755) }),
		"link to itself":  must(func(path string) error { return os.Symlink(filepath.Base(path), path) }),
		"dangling link":   must(func(path string) error { return os.Symlink("nowhere", path) }),
		"socket":          must(func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o644, 0) }),
		"huge": must(func(path string) error {
			f, err := os.Create(path)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			return f.Truncate(1 << 40)
		}),
		"link to a FIFO": must(func(path string) error {
			if err := syscall.Mkfifo(path+".fifo", 0o644); err != nil {
				return err
			}
			return os.Symlink(filepath.Base(path)+".fifo", path)
		}),
	}
	if os.Getuid() == 0 {
		odd["endless device"] = must(func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o666, 1<<8|5) })
	} else {
		odd["unreadable"] = must(func(path string) error { return os.WriteFile(path, []byte("x"), 0) })
	}
	return odd
}
