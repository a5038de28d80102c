// Package workspace holds the rules by which a git work tree is copied to a guest
// and its changes are exported: nothing in the user's repository changes
// on the way in, and no work in the guest is lost unnoticed.
package workspace

import (
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// Mode says how much of a repository goes into the guest.
type Mode string

// The modes: one commit and the work tree; or all refs, with submodules.
const (
	Shallow  Mode = "shallow"
	FullCopy Mode = "full_copy"
)

// DefaultPath is where a workspace is in the guest unless one says otherwise.
const DefaultPath = "/root/repo"

// ParseMode reads a mode. Empty means Shallow.
func ParseMode(text string) (Mode, error) {
	switch Mode(text) {
	case "", Shallow:
		return Shallow, nil
	case FullCopy:
		return FullCopy, nil
	}
	return "", fault.New(fault.Invalid, "mode %q is not valid", text).WithHint("shallow or full_copy")
}

// checkGuestPath accepts where in a guest a workspace may be.
func checkGuestPath(p string) error {
	// With a line break in it no git can say where its repository is.
	if !path.IsAbs(p) || path.Clean(p) != p || p == "/" || strings.ContainsAny(p, "\x00\n") || len(p) > 1024 {
		return fault.New(fault.Invalid, "%q cannot be the workspace's directory", p).
			WithHint("an absolute path in the guest, such as %s", DefaultPath)
	}
	return nil
}

// Workspace is a work tree that was put into a VM. Times are UTC, zero when it
// has not happened. Object names are hexadecimal.
type Workspace struct {
	VMID   string
	Vault  string // names the directory with the objects that were sent
	Source string // the user's work tree, on the host
	Path   string // in the guest
	Mode   Mode
	Format string // of object names: "sha1" or "sha256"
	Branch string // refs/heads/…; empty: detached
	// HeadCommit is the commit that was sent; empty when there was none.
	HeadCommit string
	// BaseTree is all that was sent, uncommitted changes included.
	BaseTree   string
	PreparedAt time.Time
	// ExportedTree is what was exported last; empty: nothing yet.
	ExportedTree string
	ExportedAt   time.Time
	// AppliedTree is what the user's work tree has of the guest's work since the
	// last apply; empty: what was sent.
	AppliedTree string
	// Offered is the last export, which counts once it is accepted.
	Offered Offer
	Work    Work
}

// Offer is an export that nobody has said to have yet.
type Offer struct{ ID, Tree string }

// since is what unexported work is measured against.
func (w Workspace) since() string {
	if w.ExportedTree != "" {
		return w.ExportedTree
	}
	return w.BaseTree
}

// applied is what the user's work tree has.
func (w Workspace) applied() string {
	if w.AppliedTree != "" {
		return w.AppliedTree
	}
	return w.BaseTree
}

// needed are the trees of the vault that are still compared with others.
func (w Workspace) needed() []string {
	var trees []string
	for _, tree := range []string{w.BaseTree, w.Work.Tree, w.ExportedTree, w.AppliedTree, w.Offered.Tree} {
		if tree != "" && !slices.Contains(trees, tree) {
			trees = append(trees, tree)
		}
	}
	return trees
}

// Work is how a workspace was found when it was last looked at.
type Work struct {
	Files     int // that differ from what was sent or exported
	Tree      string
	Elsewhere Elsewhere
	// MeasuredAt is when; StartID says in which start of the VM. Final is set
	// when the VM was then stopped, so that no more work can have followed.
	MeasuredAt time.Time
	StartID    string
	Final      bool
}

// Changes are how much is in a diff.
type Changes struct {
	Files      int
	Insertions int64
	Deletions  int64
}

// Knowledge says whether a workspace has unexported work.
type Knowledge string

// What can be known of a workspace.
const (
	Clean   Knowledge = "clean"
	Changed Knowledge = "changed"
	Unknown Knowledge = "unknown"
)

// Any reports whether there is anything that no export has.
func (w Work) Any() bool { return w.Files > 0 || w.Elsewhere.Any() }

// same reports whether o has the same work, whenever it was found.
func (w Work) same(o Work) bool {
	return w.Tree == o.Tree && w.Files == o.Files && reflect.DeepEqual(w.Elsewhere, o.Elsewhere)
}

// Format is what an export is written as.
type Format string

// The formats: one diff; a mailbox with each commit and then what is not
// committed; a git bundle.
const (
	Patch  Format = "patch"
	Mbox   Format = "mbox"
	Bundle Format = "bundle"
)

// ParseFormat reads a format. Empty means Patch.
func ParseFormat(text string) (Format, error) {
	switch Format(text) {
	case "", Patch:
		return Patch, nil
	case Mbox, Bundle:
		return Format(text), nil
	}
	return "", fault.New(fault.Invalid, "format %q is not valid", text).WithHint("patch, mbox or bundle")
}

// File is one changed file. From is set for a rename or a copy. Paths are as
// git has them: they need not be UTF-8.
type File struct {
	Path       string
	From       string
	Status     string // added, modified, deleted, renamed, copied, type_changed
	Mode       string // git's, in octal; empty: it is not there afterwards
	OldMode    string // empty: it was not there before
	Insertions int64
	Deletions  int64
	Binary     bool
}

// Export is what came back.
type Export struct {
	ID         string
	BaseCommit string // what it is against: a tree or a commit
	Tree       string // what is in it
	Format     Format
	Files      []File
	Changes    Changes
	Bytes      int64
	Notes      []string
	// Conflicts are the files that stand in the way in the host's work tree,
	// when that was asked. Applied says that the patch is in it.
	Checked   bool
	Conflicts []string
	Applied   bool
	// Already says that it was in the work tree before.
	Already bool
}
