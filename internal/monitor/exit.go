package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// writeExit records how the start ended: staged, made durable, then renamed.
func writeExit(dir statedir.VM, exit vm.Exit) error {
	data, err := json.MarshalIndent(exit, "", "  ")
	if err != nil {
		return err
	}
	staging := dir.Exit() + statedir.StagingSuffix
	f, err := os.OpenFile(staging, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("record the end: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(staging, dir.Exit())
	}
	if err != nil {
		return fmt.Errorf("record the end: %w", errors.Join(err, os.Remove(staging)))
	}
	return nil
}
