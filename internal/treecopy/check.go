package treecopy

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Check finds what is wrong with a source before anything is copied.
func Check(src string) error {
	info, err := os.Stat(src)
	if err != nil {
		return err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return refuse(CodeInvalid, "%s is not a file, directory or symbolic link (it is a %s)", src, kindName(info.Mode().Type()))
	}
	f, err := os.OpenFile(src, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// Bytes is what the regular files at src hold, as far as it can be known.
func Bytes(src string) int64 {
	var total int64
	_ = filepath.WalkDir(src, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil //nolint:nilerr // the copy itself will say so
		}
		if info, err := e.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}
