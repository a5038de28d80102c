package device

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

// Modules reads which modules the initramfs carries. Without the file there are
// none: everything is built into the kernel.
func Modules() (agentrpc.InitramfsModules, error) {
	var list agentrpc.InitramfsModules
	data, err := os.ReadFile(agentrpc.InitramfsModulesFile)
	if errors.Is(err, os.ErrNotExist) {
		return list, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		return list, fmt.Errorf("read the list of kernel modules: %w", err)
	}
	return list, nil
}

// LoadModules loads the modules in order. One that is loaded already, or that
// finds no hardware, is no error.
func LoadModules(names []string) error {
	for _, name := range names {
		if err := loadModule(filepath.Join(agentrpc.InitramfsModulesDir, name)); err != nil {
			return fmt.Errorf("load the kernel module %s: %w", name, err)
		}
	}
	return nil
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}
