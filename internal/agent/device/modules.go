package device

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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

// LoadModules loads the modules called names in order, but for those that list
// says are for a virtio device alone which is not there: under software
// emulation each takes milliseconds. One that is loaded already, or that finds
// no hardware, is no error.
func LoadModules(names []string, list agentrpc.InitramfsModules) error {
	var present map[uint32]bool // as of the first module that asks
	for _, name := range names {
		if id, ok := list.Devices[name]; ok {
			if present == nil {
				present = virtioDevices()
			}
			if !present[id] {
				continue
			}
		}
		if err := loadModule(filepath.Join(agentrpc.InitramfsModulesDir, name)); err != nil {
			return fmt.Errorf("load the kernel module %s: %w", name, err)
		}
	}
	return nil
}

// virtioBus is where the kernel shows the devices on its virtio bus.
const virtioBus = "/sys/bus/virtio/devices"

// virtioDevices returns the IDs of the virtio devices on the bus.
func virtioDevices() map[uint32]bool {
	present := map[uint32]bool{}
	files, _ := filepath.Glob(virtioBus + "/*/device")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if id, err := strconv.ParseUint(strings.TrimSpace(string(data)), 0, 32); err == nil {
			present[uint32(id)] = true
		}
	}
	return present
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
