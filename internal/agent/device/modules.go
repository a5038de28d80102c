package device

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// deviceEntropy is the virtio device ID of the source of randomness (virtio 1.2,
// section 5). No boot waits for it: Configure brings randomness of the host's.
const deviceEntropy = 4

// LoadModules loads the modules called names in order, but for those that list
// says are for a virtio device alone which is not there, and for those that
// OpenLate is for: under software emulation each takes milliseconds. One that is
// loaded already, or that finds no hardware, is no error.
func LoadModules(names []string, list agentrpc.InitramfsModules) error {
	var present map[uint32]bool // as of the first module that asks
	for _, name := range names {
		if id, ok := list.Devices[name]; ok {
			if id == deviceEntropy {
				continue
			}
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

// OpenLate opens the modules that a boot need not wait for. The returned function
// loads and closes them; it needs no path, and may run at any time.
func OpenLate(list agentrpc.InitramfsModules) (load func() error, err error) {
	var files []*os.File
	for _, name := range slices.Concat(list.Boot, list.Late) {
		if list.Devices[name] != deviceEntropy {
			continue
		}
		f, err := os.Open(filepath.Join(agentrpc.InitramfsModulesDir, name))
		if err != nil {
			return nil, err // what is open ends with the machine, which this error ends
		}
		files = append(files, f)
	}
	return func() error {
		var errs []error
		for _, f := range files {
			if err := insert(f); err != nil {
				errs = append(errs, fmt.Errorf("load the kernel module %s: %w", filepath.Base(f.Name()), err))
			}
			_ = f.Close()
		}
		return errors.Join(errs...)
	}, nil
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return insert(f)
}

func insert(f *os.File) error {
	err := unix.FinitModule(int(f.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}
