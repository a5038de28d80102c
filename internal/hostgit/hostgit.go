// Package hostgit runs the git executable of the host: as the user in the
// user's repositories, and apart from all of the user's configuration in vaults,
// which hold what guests have sent. It also says what git's failures mean.
package hostgit

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
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

// What git needs for itself, in bytes: in one piece, and of address space.
const (
	minAlloc  = 64 << 20
	minMemory = 768 << 20
)

// Host is the host's git. It is safe for concurrent use.
type Host struct {
	Limits Limits
	look   func() (string, error)
	gate   chan struct{} // places for gits that work on what guests have sent
}

// New returns a Host that looks for its executable when it is used.
func New(limits Limits) *Host {
	return &Host{
		Limits: limits, gate: make(chan struct{}, runs),
		look: func() (string, error) { return exec.LookPath("git") },
	}
}

func (h *Host) path() (string, error) {
	path, err := h.look()
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "workspaces need git on the host").WithHint("install git")
	}
	return path, nil
}

// User runs git as the user would, in the user's repositories, but reaches no
// other: what a partial clone lacks is not fetched. Unavailable without git.
func (h *Host) User() (gittree.Git, error) {
	path, err := h.path()
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

// Vault runs git in the vault at dir, within bounds: what is in a vault is a
// guest's choice. Files that are larger than bigFileThreshold are not compared
// line by line, which takes 40 times their size. Unavailable without git.
func (h *Host) Vault(dir string) (gittree.Git, error) {
	path, err := h.path()
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_DIR=" + dir,
		allocLimit(h.Limits.ObjectBytes),
	}
	return gittree.Git{Path: path, Env: env, Bounds: h.Bounds(), Gate: h.gate, Config: append(gittree.Quiet(),
		"core.looseCompression=1", "pack.compression=1", "core.symlinks=true", "core.fileMode=true",
		"core.protectHFS=true", "core.protectNTFS=true", "safe.directory=*",
		"core.bigFileThreshold=8m", "pack.threads=1", "index.threads=1", "core.preloadIndex=false",
		"core.packedGitWindowSize=32m", "core.packedGitLimit=256m")}, err
}

// Bounds are for a git that works on what a guest has sent. A diff of two
// objects takes six times the larger one.
func (h *Host) Bounds() *gittree.Bounds {
	return &gittree.Bounds{Memory: max(6*h.Limits.ObjectBytes, minMemory), CPU: 600, File: h.Limits.VaultBytes}
}

// PatchEnv is the environment of a git that applies a patch, which it reads as
// a whole.
func (l Limits) PatchEnv() string { return allocLimit(2 * l.PatchBytes) }

func allocLimit(bytes int64) string { return fmt.Sprintf("GIT_ALLOC_LIMIT=%d", max(bytes, minAlloc)) }
