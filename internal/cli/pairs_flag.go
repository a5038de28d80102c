package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/fault"
)

// pairs is a repeatable KEY=VALUE flag.
type pairs struct {
	list []string
	// set checks one value, and may complete it.
	set func(string) (string, error)
}

func (p *pairs) String() string { return strings.Join(p.list, ",") }

// Set is part of pflag.Value.
func (p *pairs) Set(text string) error {
	full, err := p.set(text)
	if err != nil {
		return err
	}
	p.list = append(p.list, full)
	return nil
}

// Type is part of pflag.Value.
func (p *pairs) Type() string { return "KEY=VALUE" }

// envFlag adds -e. A name without a value takes banger's own, as elsewhere.
func (a *App) envFlag(cmd *cobra.Command) *pairs {
	p := &pairs{set: func(text string) (string, error) {
		key, _, found := strings.Cut(text, "=")
		if key == "" || strings.ContainsRune(text, 0) {
			return "", fault.New(fault.Invalid, "-e %q has no name", text).WithHint("use -e NAME=value")
		}
		if !found {
			value, set := a.LookupEnv(key)
			if !set {
				return "", fault.New(fault.Invalid, "-e %s: the variable is not set in your environment", key).WithHint("use -e %s=value", key)
			}
			return key + "=" + value, nil
		}
		return text, nil
	}}
	cmd.Flags().VarP(p, "env", "e", "set an environment variable; KEY alone passes its value from this shell (repeatable)")
	return p
}

func labelFlag(cmd *cobra.Command, usage string) *pairs {
	p := &pairs{set: func(text string) (string, error) {
		if key, _, found := strings.Cut(text, "="); key == "" || !found {
			return "", fault.New(fault.Invalid, "--label %q is not in the form KEY=VALUE", text).WithHint("use, for example, --label team=blue")
		}
		return text, nil
	}}
	cmd.Flags().Var(p, "label", usage)
	return p
}

// labelFilter is labelFlag for labels that a VM has: KEY is one with any value.
func labelFilter(cmd *cobra.Command, usage string) *pairs {
	p := &pairs{set: func(text string) (string, error) {
		if key, _, _ := strings.Cut(text, "="); key == "" {
			return "", fault.New(fault.Invalid, "--label %q has no key", text).WithHint("use --label team or --label team=blue")
		}
		return text, nil
	}}
	cmd.Flags().Var(p, "label", usage)
	return p
}

// asMap returns the pairs by key; the last of a key wins. Nil when there are none.
func (p *pairs) asMap() map[string]string {
	if len(p.list) == 0 {
		return nil
	}
	out := make(map[string]string, len(p.list))
	for _, pair := range p.list {
		key, value, _ := strings.Cut(pair, "=")
		out[key] = value
	}
	return out
}
