package gitrepo

import (
	"context"
	"strings"

	"github.com/bangervm/banger/internal/gittree"
)

// renames returns the argument that makes a patch of renames, or of none where
// git could not apply it: when a directory takes the place of a link that was
// renamed. Git knows by its mode that a link goes away, and a rename tells no
// mode, so what is in the directory would be "beyond a symbolic link".
// The changes are those of diff-tree with these arguments and input.
func renames(ctx context.Context, git gittree.Git, input string, args ...string) (string, error) {
	c := gittree.Cmd{Args: append([]string{"diff-tree", "-r", "--no-renames", "--raw", "-z"}, args...)}
	if input != "" {
		c.Stdin = strings.NewReader(input)
	}
	items, err := git.Lines(ctx, c)
	if err != nil {
		return "", err
	}
	links := map[string]bool{}
	var added []string
	for i := 0; i+1 < len(items); i++ {
		if !strings.HasPrefix(items[i], ":") {
			continue // a commit
		}
		if strings.HasPrefix(items[i], ":120000 000000 ") {
			links[items[i+1]] = true
		} else if strings.HasPrefix(items[i], ":000000 ") {
			added = append(added, items[i+1])
		}
		i++
	}
	for _, path := range added {
		for at := strings.LastIndexByte(path, '/'); at > 0 && len(links) > 0; at = strings.LastIndexByte(path[:at], '/') {
			if links[path[:at]] {
				return "--no-renames", nil
			}
		}
	}
	return "-M", nil
}
