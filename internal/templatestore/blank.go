package templatestore

import (
	"fmt"
	"os"

	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// blankBytes is the length of a disk that a machine is only saved with. Its driver is not
// loaded then, so that nobody sees it.
const blankBytes = 1 << 20

// Blank implements template.Deps.
func Blank(dir string, disks []vm.Disk) ([]vm.Disk, error) {
	var blank []vm.Disk
	for i, d := range disks {
		d.Path = statedir.VM(dir).Blank(i)
		f, err := os.OpenFile(d.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, fmt.Errorf("make a blank disk: %w", err)
		}
		err = f.Truncate(blankBytes)
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, fmt.Errorf("make a blank disk: %w", err)
		}
		blank = append(blank, d)
	}
	return blank, nil
}
