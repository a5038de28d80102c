package configure

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

const (
	// nameSpare holds what is given up while overlays are mounted: each mount makes
	// files and directories for an instant, for which a guest may have left no room.
	nameSpare = "spare"
	// spares is how many directories there are, each an inode and a block.
	spares = 16
)

// giveUpSpare makes room on a VM's disk that has none.
func giveUpSpare(disk string) error { return os.RemoveAll(filepath.Join(disk, nameSpare)) }

// setSpareAside keeps that room for the next start, as much as there is.
func setSpareAside(disk string) error {
	err := os.Mkdir(filepath.Join(disk, nameSpare), 0o700)
	for n := 0; n < spares && (err == nil || errors.Is(err, fs.ErrExist)); n++ {
		err = os.Mkdir(filepath.Join(disk, nameSpare, strconv.Itoa(n)), 0o700)
	}
	if takesNothing(err) || errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
