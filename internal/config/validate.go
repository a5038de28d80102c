package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm/drivers"
)

// MinMemory and MinDisk are the least that a VM can have, in bytes, as package vm
// has it too.
const (
	MinMemory = 128 << 20
	MinDisk   = 256 << 20
)

// The first of the users of jails: beyond those of people and systemd's services, and so
// that the last is one.
const (
	minJailUID = 65536
	maxJailUID = 1<<31 - 1<<17
)

// The seconds that a guest may be given until it is ready.
const (
	minReady = 10
	maxReady = 3600
)

// What VMDefaults.Template can be.
const (
	TemplateAuto = "auto" // starts go on from saved machines, which are made as they are missed
	TemplateOff  = "off"  // every start boots a kernel
)

// validate checks what needs no look at the host, and completes what is short.
func (c *Config) validate() error {
	if names := DriverNames(); !slices.Contains(names, c.Driver) {
		return fault.Wrap(fault.Invalid, notOneOf(c.Driver, names...), "driver")
	}
	if c.JailerFirstUID < minJailUID || c.JailerFirstUID > maxJailUID {
		return fault.New(fault.Invalid, "jailer_first_uid %d is not from %d to %d", c.JailerFirstUID, minJailUID, maxJailUID).
			WithHint("use IDs that no user, container or service has, such as the default %d", Default().JailerFirstUID)
	}
	if c.VM.VCPU < 1 {
		return fault.New(fault.Invalid, "vm.vcpu %d is too small", c.VM.VCPU).WithHint("use at least 1")
	}
	if c.VM.Memory < MinMemory {
		return fault.New(fault.Invalid, "vm.memory %s is too small", c.VM.Memory).WithHint("use at least %s; write the unit, as in 512MiB", Size(MinMemory))
	}
	if c.VM.Disk < MinDisk {
		return fault.New(fault.Invalid, "vm.disk %s is too small", c.VM.Disk).WithHint("use at least %s; write the unit, as in 8GiB", Size(MinDisk))
	}
	if c.VM.ReadyTimeout < minReady || c.VM.ReadyTimeout > maxReady {
		return fault.New(fault.Invalid, "vm.ready_timeout %d is not from %d to %d", c.VM.ReadyTimeout, minReady, maxReady).
			WithHint("it is in seconds; the default is %d", Default().VM.ReadyTimeout)
	}
	if modes := []string{TemplateAuto, TemplateOff}; !slices.Contains(modes, c.VM.Template) {
		return fault.Wrap(fault.Invalid, notOneOf(c.VM.Template, modes...), "vm.template")
	}
	if c.VM.Image == "" {
		return fault.New(fault.Invalid, "vm.image is empty").WithHint("set an image, or remove the line")
	}
	if err := c.completeSSHKey(); err != nil {
		return err
	}
	if err := c.Network.complete(); err != nil {
		return err
	}
	if err := c.Web.validate(); err != nil {
		return err
	}
	if err := c.TUI.validate(); err != nil {
		return err
	}
	for _, f := range c.Files {
		if err := f.validate(); err != nil {
			return err
		}
	}
	if err := c.completeCatalogs(); err != nil {
		return err
	}
	return c.completeRegistries()
}

// maxCatalogs bounds the catalogs that a command waits for.
const maxCatalogs = 16

// completeCatalogs makes URLs of paths.
func (c *Config) completeCatalogs() error {
	if len(c.Catalogs) > maxCatalogs {
		return fault.New(fault.Invalid, "catalogs: %d tables; at most %d are allowed", len(c.Catalogs), maxCatalogs)
	}
	for i := range c.Catalogs {
		if err := c.Catalogs[i].complete(); err != nil {
			return fault.Wrap(fault.Invalid, err, "catalogs").WithHint("%s", fault.HintOf(err))
		}
	}
	return nil
}

// DriverNames are the values of the key driver.
func DriverNames() []string { return append([]string{drivers.Auto}, drivers.Names()...) }

// CheckHost refuses numbers that the user set and this host does not have.
// Those of the defaults are cut to what it has. Zero means: not known.
func (c *Config) CheckHost(from Sources, cpus int, memory int64) error {
	if cpus > 0 && c.VM.VCPU > cpus && from["vm.vcpu"] != FromDefault {
		return fault.New(fault.Invalid, "vm.vcpu %d (%s): this host has %d", c.VM.VCPU, from["vm.vcpu"], cpus).WithHint("use at most %d", cpus)
	}
	if memory > 0 && int64(c.VM.Memory) > memory && from["vm.memory"] != FromDefault {
		return fault.New(fault.Invalid, "vm.memory %s (%s): this host has %s", c.VM.Memory, from["vm.memory"], Size(memory)).WithHint("use at most %s", Size(memory))
	}
	return nil
}

// completeSSHKey makes the path absolute. Whether a key is there is for those
// who use it: no configuration is invalid because a disk is not mounted.
func (c *Config) completeSSHKey() error {
	if rest, ok := strings.CutPrefix(c.SSHKey, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "ssh_key %q", c.SSHKey)
		}
		c.SSHKey = filepath.Join(home, rest)
	}
	if c.SSHKey != "" && !filepath.IsAbs(c.SSHKey) {
		return fault.New(fault.Invalid, "ssh_key %q must be absolute or begin with ~/", c.SSHKey)
	}
	return nil
}
