package statedir

import (
	"errors"
	"os"
)

// SyncDir makes the names in a directory survive a crash of the host: what was
// renamed into it or removed from it stays so.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
