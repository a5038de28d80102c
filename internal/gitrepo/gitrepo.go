// Package gitrepo is the host's git: it reads the user's repositories, and
// keeps vaults, which are repositories of banger's own. In a vault git runs
// without the user's or the system's configuration, and without hooks.
package gitrepo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// Git implements workspace.Git with the git executable of the host.
type Git struct {
	host *hostgit.Host
	// trimAbove is how much that nothing needs may stay in a vault, in bytes.
	trimAbove int64
}

var _ workspace.Git = (*Git)(nil)

// New returns a Git within the limits of host.
func New(host *hostgit.Host) *Git { return &Git{host: host, trimAbove: 64 << 20} }

// makeVault makes an empty vault.
func (g *Git) makeVault(ctx context.Context, dir, format string) error {
	git, err := g.host.Vault(dir)
	if err != nil {
		return err
	}
	return git.Run(ctx, gittree.Cmd{Args: []string{"init", "-q", "--bare", "--template=", "--object-format=" + format}})
}

func objectName(text string) bool {
	return regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`).MatchString(text)
}

// scratch makes a directory beside a vault, on the same filesystem.
func scratch(vault string) (string, error) {
	return os.MkdirTemp(filepath.Dir(vault), "scratch-*.staging")
}

// readIfThere returns nothing for a file that is not there.
func readIfThere(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}
