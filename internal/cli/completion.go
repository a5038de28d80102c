package cli

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// completionDeadline bounds what a press of Tab waits for.
const completionDeadline = 400 * time.Millisecond

// plainUsages takes the marks of values out of the texts of flags, which a shell
// shows as they are.
func plainUsages(cmd *cobra.Command) {
	unquote := func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) }
	cmd.Flags().VisitAll(unquote)
	cmd.PersistentFlags().VisitAll(unquote)
	for _, c := range cmd.Commands() {
		plainUsages(c)
	}
}

type completer = func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective)

// names completes at most most arguments (below 0: any number) with what list
// returns. It never starts a daemon.
func (a *App) names(most int, list func(ctx context.Context, c *client.Client) ([]string, error)) completer {
	return func(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most >= 0 && len(given) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := a.present()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionDeadline)
		defer cancel()
		all, err := list(ctx, c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var matching []cobra.Completion
		for _, name := range all {
			word, _, _ := strings.Cut(name, "\t")
			if strings.HasPrefix(word, prefix) && !slices.Contains(given, word) {
				matching = append(matching, name)
			}
		}
		return matching, cobra.ShellCompDirectiveNoFileComp
	}
}

// vmNames completes names of VMs in any of these states (none: in all).
func (a *App) vmNames(most int, states ...string) completer {
	return a.names(most, func(ctx context.Context, c *client.Client) ([]string, error) {
		vms, err := c.ListVMs(ctx, nil)
		var names []string
		for _, v := range vms {
			if len(states) == 0 || slices.Contains(states, v.State) {
				names = append(names, cobra.CompletionWithDesc(v.Name, v.State))
			}
		}
		return names, err
	})
}

func (a *App) imageNames(most int) completer {
	return a.names(most, func(ctx context.Context, c *client.Client) ([]string, error) {
		images, err := c.ListImages(ctx)
		var names []string
		for _, i := range images {
			if i.Name != "" {
				names = append(names, cobra.CompletionWithDesc(i.Name, i.Ref))
			}
		}
		return names, err
	})
}

func (a *App) kernelNames(most int) completer {
	return a.names(most, func(ctx context.Context, c *client.Client) ([]string, error) {
		kernels, err := c.ListKernels(ctx)
		var names []string
		for _, k := range kernels {
			names = append(names, cobra.CompletionWithDesc(k.Name, k.Version))
		}
		return names, err
	})
}

// completeFlag offers what names returns for a flag.
func completeFlag(cmd *cobra.Command, flag string, names completer) {
	// The only error is that cmd has no such flag.
	_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return names(cmd, nil, prefix)
	})
}

// completeExec completes NAME, and flags behind it up to the command.
func (a *App) completeExec(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(given) == 0 {
		return a.vmNames(1, api.VMRunning)(cmd, given, prefix)
	}
	if !strings.HasPrefix(prefix, "-") || len(given) > 1 && !strings.HasPrefix(given[len(given)-1], "-") || slices.Contains(given, "--") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var flags []cobra.Completion
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if name := "--" + f.Name; strings.HasPrefix(name, prefix) {
			flags = append(flags, cobra.CompletionWithDesc(name, f.Usage))
		}
	})
	return flags, cobra.ShellCompDirectiveNoFileComp
}

// completeRef completes what is a path on this host.
func completeRef(_ *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	transport, path, found := strings.Cut(prefix, ":")
	transports := []string{"oci", "oci-archive", "docker-archive", "tar"}
	switch {
	case len(given) > 0:
		return nil, cobra.ShellCompDirectiveNoFileComp
	case found && slices.Contains(transports, transport):
		return pathsAfter(transport+":", path)
	}
	var starts []cobra.Completion
	for _, t := range transports {
		if strings.HasPrefix(t, prefix) {
			starts = append(starts, t+":")
		}
	}
	return starts, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// pathsAfter completes a path that stands behind a prefix of its word.
func pathsAfter(before, path string) ([]cobra.Completion, cobra.ShellCompDirective) {
	dir, base := filepath.Split(path)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []cobra.Completion
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), base) || base == "" && strings.HasPrefix(e.Name(), ".") {
			continue
		}
		name := before + dir + e.Name()
		if isDirectory(filepath.Join(cmp.Or(dir, "."), e.Name())) {
			name += "/"
		}
		all = append(all, name)
	}
	directive := cobra.ShellCompDirectiveNoFileComp
	if len(all) != 1 || strings.HasSuffix(all[0], "/") {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	return all, directive
}
