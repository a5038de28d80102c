// Package gitrepo is the host's git: it reads the user's repositories, and
// keeps vaults, which are repositories of banger's own. In a vault git runs
// without the user's or the system's configuration, and without hooks.
package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/workspace"
)

// Limits bound what is taken from a guest.
type Limits struct {
	PackBytes int64 // of each repository's new objects
	FileBytes int64 // of all files from a guest without git
	Files     int   // in one listing
}

// DefaultLimits are generous for people and tight enough for a hostile guest.
func DefaultLimits() Limits {
	return Limits{PackBytes: 4 << 30, FileBytes: 4 << 30, Files: 2_000_000}
}

// Git implements workspace.Git with the git executable of the host.
type Git struct {
	limits  Limits
	applies string
	look    func() (string, error)
	turn    chan struct{} // held by the one who changes a work tree
	// flush writes the filesystem of a directory to the disk; step is called
	// before each thing that is done to a work tree. Tests have their own.
	flush func(dir string) error
	step  func()
}

var _ workspace.Git = (*Git)(nil)

// New returns a Git that looks for its executable when it is used. What undoes
// a patch that is being applied is in the directory applies, which no other Git
// uses. Call Recover before Apply.
func New(limits Limits, applies string) *Git {
	return &Git{
		limits: limits, applies: applies, turn: make(chan struct{}, 1), flush: syncFilesystem, step: func() {},
		look: func() (string, error) { return exec.LookPath("git") },
	}
}

func (g *Git) path() (string, error) {
	path, err := g.look()
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "workspaces need git on the host").WithHint("install git")
	}
	return path, nil
}

// user runs git as the user would, in the user's repositories.
func (g *Git) user() (gittree.Git, error) {
	path, err := g.path()
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "GIT_") {
			env = append(env, pair)
		}
	}
	env = append(env, "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0")
	return gittree.Git{Path: path, Env: env, Config: append(gittree.Quiet(),
		"core.looseCompression=1", "pack.compression=1")}, err
}

// minAlloc is what git needs in one piece for itself, in bytes.
const minAlloc = 64 << 20

// alone runs git in the vault at dir. No object may need more memory than all
// of them may have bytes.
func (g *Git) alone(dir string) (gittree.Git, error) {
	path, err := g.path()
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_DIR=" + dir,
		fmt.Sprintf("GIT_ALLOC_LIMIT=%d", max(g.limits.PackBytes, minAlloc)),
	}
	return gittree.Git{Path: path, Env: env, Config: append(gittree.Quiet(),
		"core.looseCompression=1", "pack.compression=1", "core.symlinks=true", "core.fileMode=true",
		"core.protectHFS=true", "core.protectNTFS=true", "safe.directory=*")}, err
}

// makeVault makes an empty vault.
func (g *Git) makeVault(ctx context.Context, dir, format string) error {
	git, err := g.alone(dir)
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
