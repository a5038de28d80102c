package config

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// Registry is one [registry."HOST"] table: how to reach a registry.
type Registry struct {
	// Mirrors are HOST[:PORT][/PATH], perhaps after https:// or http://.
	Mirrors []string `toml:"mirrors" json:"mirrors,omitempty"`
	// CAFile is absolute; in the file it may begin with "~/".
	CAFile   string `toml:"ca_file" json:"ca_file,omitempty"`
	Insecure bool   `toml:"insecure" json:"insecure,omitempty"`
}

// The bounds of what a pull tries, and of what each command sends.
const (
	maxRegistries = 64
	maxMirrors    = 8
)

// completeRegistries validates the tables, and names each registry by one name.
func (c *Config) completeRegistries() error {
	if len(c.Registries) > maxRegistries {
		return fault.New(fault.Invalid, "registry: %d tables; at most %d are allowed", len(c.Registries), maxRegistries)
	}
	all := map[string]Registry{}
	for _, host := range slices.Sorted(maps.Keys(c.Registries)) {
		r := c.Registries[host]
		name, err := image.ParseRegistryHost(host)
		if err == nil {
			err = r.complete()
		}
		if _, twice := all[name]; err == nil && twice {
			err = fault.New(fault.Invalid, "two tables are for %s", name)
		}
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "registry.%q", host).WithHint("%s", fault.HintOf(err))
		}
		all[name] = r
	}
	if len(all) > 0 {
		c.Registries = all
	}
	return nil
}

func (r *Registry) complete() error {
	if len(r.Mirrors) > maxMirrors {
		return fault.New(fault.Invalid, "%d mirrors; at most %d are allowed", len(r.Mirrors), maxMirrors)
	}
	for _, m := range r.Mirrors {
		if _, err := image.ParseMirror(m); err != nil {
			return fault.Wrap(fault.Invalid, err, "mirrors").WithHint("%s", fault.HintOf(err))
		}
	}
	if rest, ok := strings.CutPrefix(r.CAFile, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "ca_file %q", r.CAFile)
		}
		r.CAFile = filepath.Join(home, rest)
	}
	if r.CAFile != "" && !filepath.IsAbs(r.CAFile) {
		return fault.New(fault.Invalid, "ca_file %q is not absolute", r.CAFile).WithHint("begin it with / or ~/")
	}
	return nil
}

// Access is what the tables say, as package image has it.
func (c Config) Access() image.Registries {
	all := image.Registries{}
	for host, r := range c.Registries {
		a := image.Access{CAFile: r.CAFile, Insecure: r.Insecure}
		for _, text := range r.Mirrors {
			if m, err := image.ParseMirror(text); err == nil { // it is validated
				a.Mirrors = append(a.Mirrors, m)
			}
		}
		all[host] = a
	}
	return all
}
