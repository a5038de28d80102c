package config

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/nearest"
	"github.com/bangervm/banger/internal/regularfile"
)

// maxFile bounds config.toml, in bytes. What is sent to bangerd must fit in a
// request's header.
const maxFile = 32 << 10

func load(path string, environ []string) (Config, Sources, error) {
	cfg := Default()
	from := Sources{}
	for _, table := range tableNames() {
		from[table] = FromDefault
	}
	for _, key := range Keys() {
		from[key.Name] = FromDefault
	}
	data, err := readBounded(path)
	if err != nil {
		return Config{}, nil, err
	}
	if err := cfg.applyFile(data, from); err != nil {
		hint := fault.HintOf(err)
		if len(hint) == 0 {
			hint = fault.Hintf("fix or remove the file")
		}
		return Config{}, nil, fault.Wrap(fault.Invalid, err, "%s", path).WithHint("%s", hint)
	}
	if err := cfg.applyEnv(environ, from); err != nil {
		return Config{}, nil, err
	}
	if err := cfg.validate(); err != nil {
		return Config{}, nil, err
	}
	return cfg, from, nil
}

func readBounded(path string) ([]byte, error) {
	data, err := regularfile.Read(path, maxFile)
	if errors.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot read the configuration")
	}
	return data, nil
}

// applyEnv lays the environment's values over c. An empty variable is as one
// that is not set.
func (c *Config) applyEnv(environ []string, from Sources) error {
	set := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "BANGER_") && value != "" && !ours(name) {
			set[name] = value
		}
	}
	for _, key := range Keys() {
		value, ok := set[key.Env]
		if !ok {
			continue
		}
		if err := key.set(c, value); err != nil {
			return fault.Wrap(fault.Invalid, err, "%s=%q", key.Env, value).WithHint("%s", fault.HintOf(err))
		}
		from[key.Name] = key.Env
		delete(set, key.Env)
	}
	for _, v := range Variables() {
		delete(set, v.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		return unknown("variable", name, variableNames())
	}
	return nil
}

func variableNames() []string {
	var all []string
	for _, key := range Keys() {
		all = append(all, key.Env)
	}
	for _, v := range Variables() {
		all = append(all, v.Name)
	}
	return all
}

func keyNames() []string {
	all := tableNames()
	for _, key := range Keys() {
		all = append(all, key.Name)
	}
	return all
}

// unknown names what is meant, probably.
func unknown(what, name string, all []string) error {
	err := fault.New(fault.Invalid, "unknown %s %q", what, name)
	if near := meant(name, all); near != "" {
		return err.WithHint("%s", fault.Meant(near, act.ConfigShow.Do()))
	}
	return err.WithHint("to list all: %s", act.ConfigShow.Do())
}

// meant is the one of all that has the same last part as name, or else the
// one with the least edit distance; empty if more than half of name differs.
func meant(name string, all []string) string {
	best, least := "", -1
	for _, candidate := range all {
		if strings.HasSuffix(candidate, "."+name) {
			return candidate
		}
		if d := nearest.Changes(name, candidate); least < 0 || d < least {
			best, least = candidate, d
		}
	}
	if least > len(strings.TrimPrefix(name, "BANGER_"))/2 {
		return ""
	}
	return best
}
