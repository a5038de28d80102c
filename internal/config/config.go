// Package config is what the user may set: config.toml and BANGER_* variables
// over built-in defaults, as one validated value. Keys is the table of them.
package config

import (
	"log/slog"
	"os"

	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmm/drivers"
)

// Config is the whole configuration. Load returns it valid. What a field means
// is in Keys.
type Config struct {
	Driver      string `json:"driver"`
	QEMU        string `json:"qemu"`
	Firecracker string `json:"firecracker_bin"`
	Jailer      bool   `json:"jailer"`
	// JailerFirstUID is the first of as many users and groups as VMs can have indexes.
	JailerFirstUID int        `json:"jailer_first_uid"`
	LogLevel       slog.Level `json:"log_level"`
	DetachKeys     string     `json:"detach_keys"`
	SSHKey         string     `json:"ssh_key"`
	VM             VMDefaults `json:"vm"`
	Image          Image      `json:"image"`
	Network        Network    `json:"network"`
	Web            Web        `json:"web"`
	TUI            TUI        `json:"tui"`
	// Files are copied into guests when they start.
	Files []File `json:"files"`
	// Catalogs are added to the one that is built in, for kernels and images.
	Catalogs []Catalog `json:"catalogs"`
	// Registries are how to reach registries, by HOST[:PORT].
	Registries map[string]Registry `json:"registry"`
}

// Drivers is what it says of drivers.
func (c Config) Drivers() drivers.Config {
	return drivers.Config{Driver: c.Driver, QEMU: c.QEMU, Firecracker: c.Firecracker, Jailer: c.Jailer}
}

// VMDefaults are the defaults of a new VM.
type VMDefaults struct {
	Image  string `json:"image"`
	Kernel string `json:"kernel"`
	VCPU   int    `json:"vcpu"`
	Memory Size   `json:"memory"`
	Disk   Size   `json:"disk"`
	// ImageUser has commands run as the image's user.
	ImageUser bool `json:"image_user"`
	// ReadyTimeout is in seconds.
	ReadyTimeout int `json:"ready_timeout"`
	// Console has a VM have a console log on each driver.
	Console bool `json:"console"`
	// Template is "auto" or "off".
	Template string `json:"template"`
}

// Image is the [image] table.
type Image struct {
	// CacheMax is how much of pulled layers is kept.
	CacheMax Size `json:"cache_max"`
}

// Network is the [network] table.
type Network struct {
	Egress string `json:"egress"`
	// Ports is "all", "shared" or "none".
	Ports string `json:"ports"`
	// DNS are "ADDRESS:PORT".
	DNS       []string `json:"dns"`
	NamesPort int      `json:"names_port"`
}

// Default is the configuration without a file or variables.
func Default() Config {
	return Config{
		Driver:   drivers.Auto,
		LogLevel: slog.LevelInfo, DetachKeys: "ctrl-]",
		VM:      VMDefaults{Image: "debian", VCPU: 1, Memory: 512 << 20, Disk: 8 << 30, ImageUser: true, ReadyTimeout: 180, Template: TemplateOff},
		Image:   Image{CacheMax: 10 << 30},
		Network: Network{Egress: "all", Ports: "all", NamesPort: 5300},
		Web:     Web{Listen: "127.0.0.1:7777"},

		JailerFirstUID: 2_000_000_000,
	}
}

// Sources tells where each key's value is from, by the key's name: "default",
// "config.toml", or the name of a variable. "files", "catalogs",
// "registry" and "tui" are keys here too.
type Sources map[string]string

// The sources that are no variable.
const (
	FromDefault = "default"
	FromFile    = "config.toml"
)

// Load reads config.toml (which need not exist) and the environment. A key or a
// BANGER_ variable that it does not know is Invalid, and the hint names the
// nearest; so is a value out of range.
func Load(dirs statedir.Dirs) (Config, Sources, error) {
	return load(dirs.ConfigFile(), os.Environ())
}
