package cli

import (
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
)

// optional is a flag whose absence means something: it stays nil. A value that
// parse refuses is an Invalid fault that names the flag.
type optional[T any] struct {
	value *T
	into  **T // if set: gets the value, too
	text  string
	kind  string
	parse func(string) (T, error)
}

func (o *optional[T]) String() string { return o.text }

// Set is part of pflag.Value.
func (o *optional[T]) Set(text string) error {
	v, err := o.parse(text)
	if err != nil {
		return err
	}
	o.value, o.text = &v, text
	if o.into != nil {
		*o.into = o.value
	}
	return nil
}

// Type is part of pflag.Value.
func (o *optional[T]) Type() string { return o.kind }

func optionalFlag[T any](cmd *cobra.Command, name, kind, usage string, parse func(string) (T, error)) *optional[T] {
	o := &optional[T]{kind: kind, parse: parse}
	cmd.Flags().Var(o, name, usage)
	return o
}

// flagInto is optionalFlag for a field of a request: its absence leaves the field nil.
func flagInto[T any](cmd *cobra.Command, into **T, name, kind, usage string, parse func(string) (T, error)) {
	optionalFlag(cmd, name, kind, usage, parse).into = into
}

// flagError keeps faults of values (exit status 5) apart from wrong usage (2).
func flagError(cmd *cobra.Command, err error) error {
	if words := cmd.Flags().Args(); cmd.HasAvailableSubCommands() && len(words) > 0 {
		return unknownCommand(cmd, words[0]) // the flag belongs to an unknown command
	}
	if f, ok := asFault(err); ok {
		return f
	}
	if u, ok := asUsage(err); ok {
		return u
	}
	return usagef(cmd, "%s", err)
}

// progressFlag adds --progress to all commands.
func (a *App) progressFlag(root *cobra.Command) {
	a.progress = progressAuto
	root.PersistentFlags().VarP(&optional[string]{text: progressAuto, kind: "MODE", parse: func(text string) (string, error) {
		mode, err := oneOf("--progress", text, progressAuto, progressPlain, progressNone)
		a.progress = mode
		return mode, err
	}}, "progress", "", "show progress: auto, plain or none")
	complete(root, "progress", progressAuto, progressPlain, progressNone)
}

// quietFlag adds -q.
func (a *App) quietFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&a.quiet, "quiet", "q", false, "print only the name, without progress")
}

func parseVCPU(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fault.New(fault.Invalid, "--vcpu %q is not a whole number", text).WithHint("use, for example, --vcpu 2")
	}
	if n < 1 {
		return 0, fault.New(fault.Invalid, "--vcpu %d: a VM needs at least 1 vCPU", n).WithHint("omit --vcpu to use the default")
	}
	if host := hostCPUs(); host > 0 && n > host {
		return 0, fault.New(fault.Invalid, "--vcpu %d: this host has only %d CPUs", n, host).WithHint("use --vcpu %d or less", host)
	}
	return n, nil
}

func parseMemory(text string) (int64, error) {
	n, err := positiveSize("--memory", text)
	if err != nil {
		return 0, err
	}
	if host := hostMemory(); host > 0 && n > host {
		return 0, fault.New(fault.Invalid, "--memory %s: this host has only %s", text, bytesText(host)).
			WithHint("use less; `banger doctor` shows how much is available")
	}
	return n, nil
}

func parseDisk(text string) (int64, error) { return positiveSize("--disk", text) }

func positiveSize(flag, text string) (int64, error) {
	n, err := config.ParseSize(text)
	if err != nil {
		return 0, fault.New(fault.Invalid, "%s %q is not a valid size", flag, text).WithHint("use a size such as %s 512MiB or %s 8G", flag, flag)
	}
	if n <= 0 {
		return 0, fault.New(fault.Invalid, "%s %s is not positive", flag, text).
			WithHint("omit %s to use the default", flag)
	}
	return int64(n), nil
}

// notEmpty leaves the rest of a value's rule to the daemon. An empty one, such as
// of a variable that is not set, would mean the default.
func notEmpty(text string) (string, error) {
	if text == "" {
		return "", fault.New(fault.Invalid, "a value is empty").WithHint("omit it to use the default")
	}
	return text, nil
}

func parseInit(text string) (string, error) {
	return oneOf("--init", text, "auto", "image", "agent")
}

func parseRestartPolicy(text string) (string, error) {
	return oneOf("--restart-policy", text, "no", "on-failure", "always")
}

func oneOf(flag, text string, values ...string) (string, error) {
	if !slices.Contains(values, text) {
		return "", fault.New(fault.Invalid, "%s %q is not a valid value", flag, text).
			WithHint("use %s %s", flag, strings.Join(values, "|"))
	}
	return text, nil
}
