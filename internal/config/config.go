// Package config is what the user may set: config.toml and BANGER_* variables
// over built-in defaults, as one validated value.
package config

import (
	"log/slog"

	"github.com/bangervm/banger/internal/statedir"
)

// Config is the whole configuration. Load returns it valid.
type Config struct {
	// Driver is "auto", "qemu-tcg" or "qemu-kvm". BANGER_DRIVER
	Driver string `toml:"driver" json:"driver"`
	// QEMU is the path or name of the qemu-system executable; empty: looked up. BANGER_QEMU
	QEMU string `toml:"qemu" json:"qemu"`
	// LogLevel is the daemon's: debug, info, warn or error. BANGER_LOG_LEVEL
	LogLevel slog.Level `toml:"log_level" json:"log_level"`
	// DetachKeys leave a session's terminal, as in "ctrl-]" or "ctrl-p,ctrl-q". BANGER_DETACH_KEYS
	DetachKeys string `toml:"detach_keys" json:"detach_keys"`
	// SSHKey is a private key of the user's own, absolute or beginning with "~/",
	// which guests let in and ssh uses; empty: one of banger's own. BANGER_SSH_KEY
	SSHKey string `toml:"ssh_key" json:"ssh_key"`
	// VM holds what a VM gets when the request does not say.
	VM VMDefaults `toml:"vm" json:"vm"`
	// Network is of guests' networks and VMs' names.
	Network Network `toml:"network" json:"network"`
	// Files are copied into guests when they start.
	Files []File `toml:"files" json:"files"`
}

// VMDefaults are the defaults of a new VM.
type VMDefaults struct {
	Image  string `toml:"image" json:"image"`   // BANGER_IMAGE
	Kernel string `toml:"kernel" json:"kernel"` // empty: the image's, or else the newest. BANGER_KERNEL
	VCPU   int    `toml:"vcpu" json:"vcpu"`     // BANGER_VCPU
	Memory Size   `toml:"memory" json:"memory"` // BANGER_MEMORY
	Disk   Size   `toml:"disk" json:"disk"`     // BANGER_DISK
}

// Network is the [network] table.
type Network struct {
	// Egress is the policy of a new VM: a preset, or the text of a policy. BANGER_EGRESS
	Egress string `toml:"egress" json:"egress"`
	// DNS are the upstream resolvers of guests, "ADDRESS:PORT" (the port may be
	// left out). Empty: those of the host. BANGER_DNS, with commas between them.
	DNS []string `toml:"dns" json:"dns"`
	// NamesPort is where bangerd answers DNS for .vm on this host; 0: nowhere. BANGER_NAMES_PORT
	NamesPort int `toml:"names_port" json:"names_port"`
}

// Default is the configuration without a file or variables.
func Default() Config {
	return Config{
		Driver:   "auto",
		LogLevel: slog.LevelInfo, DetachKeys: "ctrl-]",
		VM:      VMDefaults{Image: "debian", VCPU: 1, Memory: 512 << 20, Disk: 8 << 30},
		Network: Network{Egress: "all", NamesPort: 5300},
	}
}

// Load reads config.toml (which need not exist) and the environment. A key it
// does not know, or a value out of range, is Invalid and names both.
func Load(dirs statedir.Dirs) (Config, error) {
	return load(dirs.ConfigFile(), lookupEnv)
}
