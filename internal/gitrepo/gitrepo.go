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

// Limits bound what is taken from a guest, and what git may take for it.
type Limits struct {
	PackBytes   int64 // of new objects, in one transfer
	FileBytes   int64 // of all files from a guest without git
	VaultBytes  int64 // of all that a vault has from a guest
	ObjectBytes int64 // of an object that git holds in memory
	PatchBytes  int64 // of an export as one patch
	Files       int   // in a listing, and in a change
	PathBytes   int64 // of all paths in a listing
	Commits     int   // in a mailbox
}

// DefaultLimits are generous for people and tight enough for a hostile guest.
func DefaultLimits() Limits {
	return Limits{
		PackBytes: 4 << 30, FileBytes: 4 << 30, VaultBytes: 8 << 30, ObjectBytes: 512 << 20,
		PatchBytes: 1023 << 20, // git apply takes no more
		Files:      2_000_000, PathBytes: 128 << 20, Commits: 1000,
	}
}

// runs is how many gits may work on what guests have sent at a time, whatever
// the number of VMs. With the memory of one it bounds what all of them take.
const runs = 2

// bounds are for a git that works on what a guest has sent. A diff of two
// objects takes six times the larger one.
func (g *Git) bounds() *gittree.Bounds {
	return &gittree.Bounds{Memory: max(6*g.limits.ObjectBytes, minMemory), CPU: 600, File: g.limits.VaultBytes}
}

// Git implements workspace.Git with the git executable of the host.
type Git struct {
	limits  Limits
	applies string
	look    func() (string, error)
	turn    chan struct{} // held by the one who changes a work tree
	gate    chan struct{} // places for gits that work on what guests have sent
	// trimAbove is how much that nothing needs may stay in a vault, in bytes.
	trimAbove int64
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
		limits: limits, applies: applies, turn: make(chan struct{}, 1), gate: make(chan struct{}, runs), trimAbove: 64 << 20, flush: syncFilesystem, step: func() {},
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

// user runs git as the user would, in the user's repositories, but reaches no
// other: what a partial clone lacks is not fetched.
func (g *Git) user() (gittree.Git, error) {
	path, err := g.path()
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "GIT_") {
			env = append(env, pair)
		}
	}
	env = append(env, "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=")
	return gittree.Git{Path: path, Env: env, Config: append(gittree.Quiet(),
		"core.looseCompression=1", "pack.compression=1")}, err
}

// What git needs for itself, in bytes: in one piece, and of address space.
const (
	minAlloc  = 64 << 20
	minMemory = 768 << 20
)

// alone runs git in the vault at dir, within bounds: what is in a vault is a
// guest's choice. Files that are larger than bigFileThreshold are not compared
// line by line, which takes 40 times their size.
func (g *Git) alone(dir string) (gittree.Git, error) {
	path, err := g.path()
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_DIR=" + dir,
		fmt.Sprintf("GIT_ALLOC_LIMIT=%d", max(g.limits.ObjectBytes, minAlloc)),
	}
	return gittree.Git{Path: path, Env: env, Bounds: g.bounds(), Gate: g.gate, Config: append(gittree.Quiet(),
		"core.looseCompression=1", "pack.compression=1", "core.symlinks=true", "core.fileMode=true",
		"core.protectHFS=true", "core.protectNTFS=true", "safe.directory=*",
		"core.bigFileThreshold=8m", "pack.threads=1", "index.threads=1", "core.preloadIndex=false",
		"core.packedGitWindowSize=32m", "core.packedGitLimit=256m")}, err
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
