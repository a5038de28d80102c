package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/nearest"
)

// synonyms are the verbs of other tools, by what they are called here.
func synonyms() map[string]string {
	words := make(map[string]string)
	for verb, others := range map[string]string{
		"create": "new launch add provision", "run": "spawn", "list": "ps get", "show": "inspect info describe view details",
		"start": "up boot poweron", "stop": "down halt shutdown poweroff", "restart": "reboot", "pause": "freeze", "suspend": "hibernate sleep",
		"resume": "unpause unfreeze thaw", "delete": "remove destroy del purge rmi terminate", "set": "update edit modify resize",
		"rename": "mv move", "ssh": "shell sh bash connect enter login", "logs": "console log tail", "cp": "copy scp rsync",
		"ports": "port", "forward": "port-forward tunnel expose", "egress": "firewall", "top": "monitor htop", "stats": "usage",
		"session": "sessions screen tmux", "workspace": "repo git", "wait": "await", "pull": "load download fetch",
		"import": "install", "doctor": "check diagnose setup init", "version": "about", "export": "diff patch",
		"config": "settings configure", "completion": "completions autocomplete", "send": "write input",
	} {
		for word := range strings.FieldsSeq(others) {
			words[word] = verb
		}
	}
	return words
}

// elsewhere are words of other tools that are no verb here, behind the group
// they are typed in.
func elsewhere() map[string]string {
	const edit = "edit config.toml; `banger config path` prints its path"
	return map[string]string{
		"config edit": edit, "config set": edit, "config unset": edit, "config get": "banger config show", "config list": "banger config show",
		"build": "banger image pull docker-archive:FILE", "clone": "banger vm create --image IMAGE", "commit": "banger vm workspace export NAME",
		"container": "banger vm", "images": "banger image list", "import": "banger image pull tar:FILE", "info": "banger doctor",
		"kernels": "banger kernel list", "login": "banger uses the credentials of `docker login`", "mount": "banger vm cp SRC... DST",
		"rmi": "banger image delete NAME...", "search": "banger image pull REF", "service": "banger daemon status",
		"snapshot": "banger vm workspace export NAME", "status": "banger daemon status", "system": "banger doctor",
		"tag": "banger image pull REF --name NAME", "vms": "banger ls --all", "volume": "banger vm cp SRC... DST",
	}
}

// unknownCommand names what was meant: the same verb in another place, what
// another tool's verb is here, or the nearest name.
func unknownCommand(cmd *cobra.Command, word string) error {
	err := &usageError{message: "unknown command " + quote(cmd.CommandPath()+" "+word), hint: cmd.CommandPath() + " --help"}
	word = strings.ToLower(word)
	_, group, _ := strings.Cut(cmd.CommandPath(), " ")
	if other, known := elsewhere()[strings.TrimSpace(group+" "+word)]; known {
		err.hint = other
		return err
	}
	if meant := sameVerb(cmd, word, synonyms()[word]); meant != nil {
		err.hint = typed(meant)
	} else if near := nearestCommand(cmd, word); near != nil {
		err.hint = "did you mean " + near.CommandPath() + "?"
	}
	return err
}

// typed is a command as it is typed, with its arguments.
func typed(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " --help"
	}
	return cmd.Parent().CommandPath() + " " + strings.ReplaceAll(cmd.Use, "[FLAGS] ", "")
}

// sameVerb is the command with one of these names in cmd; where there is none, at
// the top level or below one of its groups.
func sameVerb(cmd *cobra.Command, word, synonym string) *cobra.Command {
	if c := subcommand(cmd, synonym); c != nil {
		return c
	}
	for _, group := range []string{"", "vm", "image", "vm session", "vm workspace", "vm egress"} {
		within, _, err := cmd.Root().Find(strings.Fields(group))
		if err != nil {
			continue
		}
		for _, name := range []string{word, synonym} {
			if c := subcommand(within, name); c != nil {
				return c
			}
		}
	}
	return nil
}

// subcommand is the command of cmd with this name, or at the top level the one
// that is short for it.
func subcommand(cmd *cobra.Command, word string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && word != "" && (c.Name() == word || c.HasAlias(word) || c.Annotations[annotationLong] == word) {
			return c
		}
	}
	return nil
}

// nearestCommand is the command of cmd, or at the top also of `vm`, whose name
// takes the fewest changes; nil when it takes too many.
func nearestCommand(cmd *cobra.Command, word string) *cobra.Command {
	all := cmd.Commands()
	if !cmd.HasParent() {
		if vm, _, err := cmd.Find([]string{"vm"}); err == nil {
			all = slices.Concat(all, vm.Commands())
		}
	}
	named := map[string]*cobra.Command{}
	var names []string
	for _, c := range all {
		if !c.IsAvailableCommand() {
			continue
		}
		for _, name := range append(slices.Clone(c.Aliases), c.Name()) {
			if named[name] == nil {
				named[name], names = c, append(names, name)
			}
		}
	}
	return named[nearest.Name(word, names)]
}
