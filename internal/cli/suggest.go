package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// elsewhere is what people who know other tools type, and what it is here.
func elsewhere() map[string]string {
	return map[string]string{
		"attach": "banger vm session attach NAME SESSION", "build": "banger image pull REF", "clone": "banger vm create --image IMAGE",
		"connect": "banger ssh NAME", "console": "banger logs -f NAME", "container": "banger vm", "destroy": "banger rm NAME",
		"down": "banger vm stop NAME", "images": "banger image list", "import": "banger image pull tar:FILE",
		"info": "banger vm show NAME", "inspect": "banger vm show NAME", "kernels": "banger kernel list", "launch": "banger vm create",
		"new": "banger vm create", "port": "banger ports NAME", "ps": "banger ls", "pull": "banger image pull REF",
		"purge": "banger rm NAME", "remove": "banger rm NAME", "rename": "banger vm set NAME --name NEW", "rmi": "banger image rm NAME",
		"scp": "banger vm cp SRC DST", "shell": "banger ssh NAME", "snapshot": "banger vm workspace export NAME",
		"status": "banger daemon status", "suspend": "banger vm pause NAME", "tag": "banger image pull REF --name NAME",
		"up": "banger vm start NAME", "vms": "banger ls --all", "volume": "banger vm cp SRC DST",
		"login": "the credentials of `docker login` are used as they are",
	}
}

// synonyms are verbs of other tools that the groups have under another name.
func synonyms() map[string]string {
	return map[string]string{
		"inspect": "show", "info": "show", "get": "show", "remove": "delete", "destroy": "delete", "del": "delete", "rmi": "delete",
		"ps": "list", "shell": "ssh", "console": "logs", "new": "create", "launch": "create", "up": "start", "down": "stop",
	}
}

// unknownCommand names what was meant: the same verb in another place, what
// another tool's verb is here, or the nearest name.
func unknownCommand(cmd *cobra.Command, word string) error {
	err := &usageError{message: "unknown command " + quote(cmd.CommandPath()+" "+word), hint: cmd.CommandPath() + " --help"}
	if here := subcommand(cmd, synonyms()[word]); here != nil && cmd.HasParent() {
		err.hint = here.CommandPath()
		return err
	}
	other, known := elsewhere()[word]
	switch found := verbElsewhere(cmd, word); {
	case found != nil:
		err.hint = found.CommandPath()
	case known:
		err.hint = other
	default:
		if near := nearestCommand(cmd, word); near != nil {
			err.hint = "did you mean " + near.CommandPath() + "?"
		}
	}
	return err
}

// verbElsewhere is the command of this name at the top, or below one of its groups.
func verbElsewhere(cmd *cobra.Command, word string) *cobra.Command {
	root := cmd.Root()
	groups := []*cobra.Command{root}
	for _, name := range []string{"vm", "image"} {
		if group, _, err := root.Find([]string{name}); err == nil {
			groups = append(groups, group)
		}
	}
	for _, group := range groups {
		if c := subcommand(group, word); c != nil {
			return c
		}
	}
	return nil
}

func subcommand(cmd *cobra.Command, word string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && (c.Name() == word || c.HasAlias(word)) {
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
	var best *cobra.Command
	least := 3
	for _, c := range all {
		if !c.IsAvailableCommand() {
			continue
		}
		for _, name := range append(slices.Clone(c.Aliases), c.Name()) {
			if d := changes(strings.ToLower(word), name); d < least && d < len(name) {
				best, least = c, d
			}
		}
	}
	return best
}

// changes counts how many letters to insert, delete, replace or swap with the
// next make b of a.
func changes(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
			default:
				cost := 1
				if a[i-1] == b[j-1] {
					cost = 0
				}
				rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
				}
			}
		}
	}
	return rows[len(a)][len(b)]
}
