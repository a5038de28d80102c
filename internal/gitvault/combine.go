package gitvault

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
)

// Part is one repository of a work tree: its tree, and where it is.
type Part struct{ Below, Tree string }

// Combine makes one tree of a work tree with repositories in it: each of them
// becomes a directory, as it is on disk, in the place of its gitlink.
func Combine(ctx context.Context, host *hostgit.Host, vault string, parts []Part) (tree string, err error) {
	if len(parts) == 1 {
		return parts[0].Tree, nil
	}
	git, err := host.Vault(vault)
	if err != nil {
		return "", err
	}
	dir, err := Scratch(vault)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	index := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	if err := git.Run(ctx, gittree.Cmd{Env: index, Args: []string{"read-tree", parts[0].Tree}}); err != nil {
		return "", err
	}
	for _, p := range parts[1:] {
		remove := gittree.Cmd{
			Env: index, Args: []string{"update-index", "-z", "--index-info"},
			Stdin: strings.NewReader("0 " + strings.Repeat("0", len(p.Tree)) + "\t" + p.Below + "\x00"),
		}
		if err := git.Run(ctx, remove); err != nil {
			return "", err
		}
		if err := git.Run(ctx, gittree.Cmd{Env: index, Args: []string{"read-tree", "-i", "--prefix=" + p.Below + "/", p.Tree}}); err != nil {
			return "", err
		}
	}
	out, err := git.Output(ctx, gittree.Cmd{Env: index, Args: []string{"write-tree"}})
	return strings.TrimSpace(string(out)), err
}
