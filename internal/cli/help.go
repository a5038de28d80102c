package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// The widths to which help is wrapped.
const (
	defaultWidth = 80
	leastWidth   = 60
	mostWidth    = 120
)

// helpWidth is the terminal's, within reason.
func (a *App) helpWidth() int {
	width, _, err := term.GetSize(int(a.Out.Fd()))
	if err != nil {
		return defaultWidth
	}
	return min(max(width, leastWidth), mostWidth)
}

// completeRoot makes help, --version and completion banger's own.
func (a *App) completeRoot(root *cobra.Command) {
	wrapped := "FlagUsagesWrapped " + strconv.Itoa(a.helpWidth())
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "FlagUsages ", wrapped+" "))
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			ownCompletion(c)
		}
	}
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command",
		ValidArgsFunction: func(cmd *cobra.Command, given []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []cobra.Completion
			if about, rest, err := cmd.Root().Find(given); err == nil && len(rest) == 0 {
				for _, c := range about.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, words []string) error {
			about, rest, err := cmd.Root().Find(words)
			if err != nil {
				about, rest = cmd.Root(), words
			}
			if len(rest) > 0 && about.HasSubCommands() {
				return unknownCommand(about, rest[0])
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// ownCompletion leaves the shells of Linux.
func ownCompletion(completion *cobra.Command) {
	completion.Short = "Generate the completion script for a shell"
	completion.Long = "Generate the completion script for a shell. `make install` installs those of bash, zsh and fish."
	completion.Args = cobra.ArbitraryArgs
	completion.RunE = func(cmd *cobra.Command, words []string) error {
		if len(words) > 0 {
			return unknownCommand(cmd, words[0])
		}
		return cmd.Help()
	}
	for _, shell := range completion.Commands() {
		switch shell.Name() {
		case "bash":
			shell.Long = "Generate the completion script for bash. It needs the package bash-completion.\n\n" +
				"For this shell:   source <(banger completion bash)\n" +
				"For all of them:  banger completion bash > ~/.local/share/bash-completion/completions/banger"
		case "zsh":
			shell.Long = "Generate the completion script for zsh.\n\n" +
				"For this shell:   source <(banger completion zsh)\n" +
				"For all of them:  banger completion zsh > \"${fpath[1]}/_banger\""
		case "fish":
			shell.Long = "Generate the completion script for fish.\n\n" +
				"For this shell:   banger completion fish | source\n" +
				"For all of them:  banger completion fish > ~/.config/fish/completions/banger.fish"
		default:
			completion.RemoveCommand(shell)
		}
	}
}
