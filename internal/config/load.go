package config

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/bangervm/banger/internal/fault"
)

// maxFile bounds config.toml, in bytes.
const maxFile = 1 << 20

func lookupEnv(key string) (string, bool) {
	value, ok := os.LookupEnv(key)
	return value, ok && value != ""
}

func load(path string, env func(string) (string, bool)) (Config, error) {
	cfg := Default()
	data, err := readBounded(path)
	if err != nil {
		return Config{}, err
	}
	if err := decode(&cfg, data); err != nil {
		return Config{}, fault.Wrap(fault.Invalid, err, "%s", path).WithHint("mend or remove that file")
	}
	if err := cfg.applyEnv(env); err != nil {
		return Config{}, err
	}
	if err := cfg.validate(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read the configuration")
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read the configuration")
	}
	if len(data) > maxFile {
		return nil, fault.New(fault.Invalid, "%s is bigger than %s", path, Size(maxFile))
	}
	return data, nil
}

// decode lays the file's values over cfg.
func decode(cfg *Config, data []byte) error {
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(cfg)
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(strict.Errors) > 0 {
		row, _ := strict.Errors[0].Position()
		return fault.New(fault.Invalid, "line %d: unknown key %q", row, strings.Join(strict.Errors[0].Key(), "."))
	}
	if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, column := bad.Position()
		return fault.New(fault.Invalid, "line %d, column %d: %s%s", row, column, keyText(bad.Key()), strings.TrimPrefix(bad.Error(), "toml: "))
	}
	return err
}

func keyText(key toml.Key) string {
	if len(key) == 0 {
		return ""
	}
	return strings.Join(key, ".") + ": "
}

func (c *Config) applyEnv(env func(string) (string, bool)) error {
	for key, set := range map[string]func(string) error{
		"BANGER_DRIVER":      text(&c.Driver),
		"BANGER_QEMU":        text(&c.QEMU),
		"BANGER_LOG_LEVEL":   func(v string) error { return unmarshalLevel(&c.LogLevel, v) },
		"BANGER_DETACH_KEYS": text(&c.DetachKeys),
		"BANGER_SSH_KEY":     text(&c.SSHKey),
		"BANGER_IMAGE":       text(&c.VM.Image),
		"BANGER_KERNEL":      text(&c.VM.Kernel),
		"BANGER_VCPU":        func(v string) (err error) { c.VM.VCPU, err = strconv.Atoi(v); return err },
		"BANGER_MEMORY":      func(v string) error { return c.VM.Memory.UnmarshalText([]byte(v)) },
		"BANGER_DISK":        func(v string) error { return c.VM.Disk.UnmarshalText([]byte(v)) },
		"BANGER_EGRESS":      text(&c.Network.Egress),
		"BANGER_DNS":         func(v string) error { c.Network.DNS = strings.Split(v, ","); return nil },
		"BANGER_NAMES_PORT":  func(v string) (err error) { c.Network.NamesPort, err = strconv.Atoi(v); return err },
	} {
		value, ok := env(key)
		if !ok {
			continue
		}
		if err := set(value); err != nil {
			return fault.Wrap(fault.Invalid, err, "%s=%q", key, value)
		}
	}
	return nil
}

func text(to *string) func(string) error {
	return func(value string) error {
		*to = value
		return nil
	}
}

func unmarshalLevel(level *slog.Level, value string) error { return level.UnmarshalText([]byte(value)) }

// validate checks what needs no look at the host; vm.Service checks the rest.
func (c *Config) validate() error {
	switch c.Driver {
	case "auto", "qemu-tcg", "qemu-kvm":
	default:
		return fault.New(fault.Invalid, "driver %q is none of auto, qemu-tcg, qemu-kvm", c.Driver)
	}
	if c.VM.VCPU < 1 {
		return fault.New(fault.Invalid, "vm.vcpu %d is not positive", c.VM.VCPU)
	}
	if c.VM.Memory <= 0 {
		return fault.New(fault.Invalid, "vm.memory %s is not positive", c.VM.Memory)
	}
	if c.VM.Disk <= 0 {
		return fault.New(fault.Invalid, "vm.disk %s is not positive", c.VM.Disk)
	}
	if err := c.completeSSHKey(); err != nil {
		return err
	}
	if err := c.Network.complete(); err != nil {
		return err
	}
	for _, f := range c.Files {
		if err := f.validate(); err != nil {
			return err
		}
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
		return fault.New(fault.Invalid, "ssh_key %q is neither absolute nor begins with ~/", c.SSHKey)
	}
	return nil
}
