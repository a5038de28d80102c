package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// annotationShort is the annotation of a vm verb that is also a command at the
// top level; its value is that command's name.
const annotationShort = "short"

// helpText is what --help prints.
func helpText(cmd *cobra.Command, width int) string {
	var b strings.Builder
	b.WriteString(wrap(cmp.Or(cmd.Long, cmd.Short+"."), width) + "\n\nUsage:\n  " + synopsis(cmd) + "\n")
	if names := otherNames(cmd); len(names) > 1 {
		b.WriteString("\nAliases:\n  " + strings.Join(names, ", ") + "\n")
	}
	if cmd.Example != "" {
		b.WriteString("\nExamples:\n" + cmd.Example + "\n")
	}
	for _, group := range commandGroups(cmd) {
		b.WriteString("\n" + group.title + ":\n")
		for _, c := range group.commands {
			fmt.Fprintf(&b, "  %-*s  %s\n", c.NamePadding(), c.Name(), c.Short)
		}
	}
	for _, group := range flagGroups(cmd) {
		b.WriteString("\n" + group.title + ":\n" + group.flags.FlagUsagesWrapped(width))
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nRun '" + cmd.CommandPath() + " COMMAND --help' for more about a command.\n")
	}
	return b.String()
}

func synopsis(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	line := cmd.CommandPath()
	if _, arguments, found := strings.Cut(cmd.Use, " "); found {
		line += " " + arguments
	}
	if !cmd.DisableFlagsInUseLine && flagGroups(cmd)[0].title != flagsGlobal {
		line += " [FLAGS]"
	}
	return line
}

// otherNames are the whole names under which a command can be called.
func otherNames(cmd *cobra.Command) []string {
	names := []string{cmd.CommandPath()}
	short := cmd.Annotations[annotationShort]
	if cmd.HasParent() && !cmd.Parent().HasParent() && short != "" {
		return []string{cmd.Root().Name() + " vm " + cmd.Annotations[annotationLong], cmd.CommandPath()}
	}
	for _, alias := range cmd.Aliases {
		names = append(names, cmd.Parent().CommandPath()+" "+alias)
	}
	if short != "" {
		names = append(names, cmd.Root().Name()+" "+short)
	}
	return names
}

// commandsPlain is the heading of subcommands that are in no group.
const commandsPlain = "Commands"

type commandGroup struct {
	title    string
	commands []*cobra.Command
}

// commandGroups are the subcommands of cmd under their headings.
func commandGroups(cmd *cobra.Command) []commandGroup {
	groups := []commandGroup{{title: commandsPlain}}
	at := map[string]int{"": 0}
	for _, g := range cmd.Groups() {
		at[g.ID] = len(groups)
		groups = append(groups, commandGroup{title: g.Title})
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" { // cobra does not count its own
			group := &groups[at[c.GroupID]]
			group.commands = append(group.commands, c)
		}
	}
	var filled []commandGroup
	for _, group := range groups {
		if len(group.commands) > 0 {
			filled = append(filled, group)
		}
	}
	return filled
}
