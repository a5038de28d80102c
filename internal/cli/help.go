package cli

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// The widths to which help is wrapped.
const (
	defaultWidth = 80
	leastWidth   = 60
	mostWidth    = 120
)

// filledLine is the length from which a line of a help text goes on in the next
// one; a shorter one ends where its author ended it.
const filledLine = 90

// wrap breaks the lines of a help text again, so that they fit width columns.
// Indented and aligned lines stay as they are.
func wrap(text string, width int) string {
	var out []string
	goesOn := false
	for line := range strings.SplitSeq(text, "\n") {
		apart := line == "" || strings.HasPrefix(line, " ") || strings.Contains(line, "  ")
		last := len(out) - 1
		switch {
		case apart:
			out = append(out, line)
		case goesOn:
			out = append(out[:last], breakLine(out[last]+" "+line, width)...)
		default:
			out = append(out, breakLine(line, width)...)
		}
		goesOn = !apart && len(line) >= filledLine
	}
	return strings.Join(out, "\n")
}

// breakLine breaks one line at spaces. A longer word has a line to itself.
func breakLine(line string, width int) []string {
	var lines []string
	for utf8.RuneCountInString(line) > width {
		at := strings.LastIndexByte(line[:min(width+1, len(line))], ' ')
		if at <= 0 {
			at = strings.IndexByte(line, ' ')
		}
		if at <= 0 {
			break
		}
		lines, line = append(lines, line[:at]), line[at+1:]
	}
	return append(lines, line)
}

// helpWidth is the terminal's, within reason.
func (a *App) helpWidth() int {
	width, _, err := term.GetSize(int(a.Out.Fd()))
	if err != nil {
		return defaultWidth
	}
	return min(max(width, leastWidth), mostWidth)
}

// completeRoot replaces cobra's help and completion commands.
func (a *App) completeRoot(root *cobra.Command) {
	width := a.helpWidth()
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		if words := cmd.Flags().Args(); len(words) > 0 && cmd.HasSubCommands() {
			a.misnamed = unknownCommand(cmd, words[0])
			return
		}
		_, _ = fmt.Fprint(cmd.OutOrStdout(), helpText(cmd, width))
	})
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
		Use: "help [COMMAND]...", Short: "Show help for a command", GroupID: groupTools,
		Example: "  banger help\n  banger help vm create",
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

// ownCompletion keeps the shells that banger installs completions for.
func ownCompletion(completion *cobra.Command) {
	completion.Short = "Generate a shell completion script"
	completion.Long = "Generate a shell completion script.\n\n`make install` installs the scripts for bash, zsh and fish."
	completion.Args = cobra.ArbitraryArgs
	completion.RunE = func(cmd *cobra.Command, words []string) error {
		if len(words) > 0 {
			return unknownCommand(cmd, words[0])
		}
		return cmd.Help()
	}
	for _, shell := range completion.Commands() {
		file, load := "", ""
		switch shell.Name() {
		case "bash":
			file, load = "~/.local/share/bash-completion/completions/banger", "source <(banger completion bash)"
		case "zsh":
			file, load = `"${fpath[1]}/_banger"`, "source <(banger completion zsh)"
		case "fish":
			file, load = "~/.config/fish/completions/banger.fish", "banger completion fish | source"
		default:
			completion.RemoveCommand(shell)
			continue
		}
		shell.Short = "Generate the completion script for " + shell.Name()
		shell.Long = shell.Short + ".\n\nThe first example loads it in the current shell, the rest in every new shell."
		shell.Example = "  " + load + "\n  " + makeDirectory(file) + "banger completion " + shell.Name() + " > " + file
		shell.Flags().Lookup("no-descriptions").Usage = "leave out the descriptions of completions"
	}
}

// makeDirectory is the command that makes the directory of a file that a user
// may not have yet.
func makeDirectory(file string) string {
	if !strings.HasPrefix(file, "~") {
		return ""
	}
	return "mkdir -p " + path.Dir(file) + "\n  "
}
