package cli

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bangervm/banger/internal/buildinfo"
)

// manCommand is for `make install`.
func (a *App) manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the manual pages to a directory", Hidden: true, Args: args(1, 1, "a DIR"),
		RunE: func(cmd *cobra.Command, given []string) error {
			return writeManual(cmd.Root(), given[0])
		},
	}
}

func writeManual(cmd *cobra.Command, dir string) error {
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	if err := os.WriteFile(filepath.Join(dir, name+".1"), []byte(manPage(cmd)), 0o644); err != nil {
		return err
	}
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		if err := writeManual(c, dir); err != nil {
			return err
		}
	}
	return nil
}

// manPage is a command's page in man(7).
func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	title := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	b.WriteString(".TH " + roffWord(strings.ToUpper(title)) + ` 1 "" ` + roffWord("banger "+buildinfo.Current().Version) + "\n")
	b.WriteString(".SH NAME\n" + roff(title) + ` \- ` + roff(cmd.Short) + "\n")
	b.WriteString(".SH SYNOPSIS\n.B " + roff(synopsis(cmd)) + "\n")
	if cmd.Long != "" {
		b.WriteString(".SH DESCRIPTION\n" + roffBlock(cmd.Long))
	}
	if names := otherNames(cmd); len(names) > 1 {
		b.WriteString(".SH ALIASES\n" + roff(strings.Join(names, ", ")) + "\n")
	}
	manCommands(&b, cmd)
	b.WriteString(".SH OPTIONS\n")
	for _, group := range flagGroups(cmd) {
		if group.title != flagsPlain {
			b.WriteString(".SS " + roff(group.title) + "\n")
		}
		manFlags(&b, group.flags)
	}
	if cmd.Example != "" {
		b.WriteString(".SH EXAMPLES\n.EX\n" + roff(cmd.Example) + "\n.EE\n")
	}
	var also []string
	if cmd.HasParent() {
		also = append(also, cmd.Parent().CommandPath())
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			also = append(also, c.CommandPath())
		}
	}
	for i, path := range also {
		also[i] = `\fB` + roff(strings.ReplaceAll(path, " ", "-")) + `\fP(1)`
	}
	if len(also) > 0 {
		b.WriteString(".SH SEE ALSO\n" + strings.Join(also, ",\n") + "\n")
	}
	return b.String()
}

func manCommands(b *strings.Builder, cmd *cobra.Command) {
	if cmd.HasAvailableSubCommands() {
		b.WriteString(".SH COMMANDS\n")
	}
	for _, group := range commandGroups(cmd) {
		if group.title != commandsPlain {
			b.WriteString(".SS " + roff(group.title) + "\n")
		}
		for _, c := range group.commands {
			b.WriteString(".TP\n" + `\fB` + roff(c.Name()) + `\fP` + "\n" + roff(c.Short) + "\n")
		}
	}
}

func manFlags(b *strings.Builder, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		value, usage := pflag.UnquoteUsage(f)
		if value != "" && f.DefValue != "" && !strings.Contains(usage, "default") {
			usage += " (default " + f.DefValue + ")"
		}
		names := `\fB` + roff("--"+f.Name) + `\fP`
		if f.Shorthand != "" {
			names = `\fB` + roff("-"+f.Shorthand) + `\fP, ` + names
		}
		if value != "" {
			names += ` \fI` + roff(value) + `\fP`
		}
		b.WriteString(".TP\n" + names + "\n" + roff(usage) + "\n")
	})
}

// roff makes text literal: backslashes, hyphens, and what would be a request at
// the beginning of a line.
func roff(text string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func roffWord(text string) string { return `"` + strings.ReplaceAll(roff(text), `"`, `\(dq`) + `"` }

// roffBlock keeps paragraphs apart, and indented lines as they are.
func roffBlock(text string) string {
	var b strings.Builder
	asIs := false
	for line := range strings.SplitSeq(roff(text), "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != asIs {
			asIs = indented
			if asIs {
				b.WriteString(".EX\n")
			} else {
				b.WriteString(".EE\n")
			}
		}
		if line == "" {
			line = ".PP"
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
