// Package gitvault keeps vaults: bare repositories with what was sent to a guest
// and what came back. What comes from a guest is first in quarantine, which sees
// the vault's objects and adds none to it.
package gitvault

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
)

// Make makes an empty vault for object names of a format, "sha1" or "sha256".
func Make(ctx context.Context, host *hostgit.Host, dir, format string) error {
	git, err := host.Vault(dir)
	if err != nil {
		return err
	}
	return git.Run(ctx, gittree.Cmd{Args: []string{"init", "-q", "--bare", "--template=", "--object-format=" + format}})
}

// IsObject reports whether a text is the whole name of an object.
func IsObject(text string) bool {
	return regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`).MatchString(text)
}

// Scratch makes a directory beside a vault, on the same filesystem. The caller
// removes it.
func Scratch(vault string) (string, error) {
	return os.MkdirTemp(filepath.Dir(vault), "scratch-*.staging")
}

// Present returns those of the objects that a vault has.
func Present(ctx context.Context, git gittree.Git, env, ids []string) ([]string, error) {
	out, err := git.Output(ctx, gittree.Cmd{
		Env: env, Stdin: strings.NewReader(strings.Join(ids, "\n") + "\n"), Args: []string{"cat-file", "--batch-check=%(objectname)"},
	})
	var have []string
	for line := range strings.Lines(string(out)) {
		if id := strings.TrimSpace(line); IsObject(id) {
			have = append(have, id)
		}
	}
	return have, err
}
