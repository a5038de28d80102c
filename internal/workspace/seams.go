package workspace

import (
	"context"
	"io"

	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// Store keeps one workspace for each VM. All errors are faults.
type Store interface {
	// Get returns a VM's workspace; NotFound when it has none.
	Get(ctx context.Context, vmID string) (Workspace, error)
	// Put stores a VM's workspace in the place of the one it had.
	Put(ctx context.Context, w Workspace) error
	// Update changes a VM's workspace as one transaction. NotFound when it has none.
	Update(ctx context.Context, vmID string, change func(*Workspace) error) (Workspace, error)
	// List returns all workspaces.
	List(ctx context.Context) ([]Workspace, error)
	// Delete removes a VM's workspace. None is no error.
	Delete(ctx context.Context, vmID string) error
}

// Happening is what happened to a workspace.
type Happening string

// What can happen: it was put into its VM, its work was found to be other than before,
// an export has its work.
const (
	WasPrepared Happening = "prepared"
	HasChanged  Happening = "changed"
	WasExported Happening = "exported"
)

// Events hears of workspaces, once that is stored. It must not wait.
type Events interface {
	WorkspaceChanged(v vm.VM, w Workspace, what Happening)
}

// VMs finds VMs.
type VMs interface {
	Get(ctx context.Context, name string) (vm.VM, error)
}

// Git is the host's git. A vault is a directory that it makes: a repository of
// banger's own with what was sent to a guest and what came back. Nothing in it
// is run or believed because a guest says so.
type Git interface {
	// Pack reads the user's work tree, changes nothing in it, and makes the vault.
	Pack(ctx context.Context, req PackRequest) (Parcel, error)
	// Check says beforehand what Pack will refuse, as far as that is quickly seen.
	Check(ctx context.Context, req PackRequest) error
	// Collect reads the work tree that a guest sends, into the vault.
	Collect(ctx context.Context, guest io.ReadWriter, req CollectRequest) (Collected, error)
	// Count returns how many files differ between two trees of the vault.
	Count(ctx context.Context, vault, from, to string) (int, error)
	// Diff returns the files that Write will put into an export.
	Diff(ctx context.Context, req WriteRequest) ([]File, error)
	// Write writes an export to a new file. One that does not make of the base
	// what is in the tree is refused.
	Write(ctx context.Context, req WriteRequest) (WriteResult, error)
	// Resolve returns the name of the commit or tree in a vault that the user
	// means. NotFound when it is not there, Invalid when it cannot be a name.
	Resolve(ctx context.Context, req ResolveRequest) (string, error)
	// Trim removes from the vault what came from the guest and is not needed by
	// the trees roots, when there is enough of it.
	Trim(ctx context.Context, vault string, roots []string) error
}

// Applier changes work trees of the user's.
type Applier interface {
	// Apply checks whether a patch applies to a work tree of the user, and
	// applies all of it or nothing.
	Apply(ctx context.Context, req ApplyRequest) (ApplyResult, error)
}

// PackRequest says what to read.
type PackRequest struct {
	Path   string // in a work tree on the host
	Mode   Mode
	Branch string // the branch of the guest's HEAD; empty: as in the work tree
	Vault  string // path of the vault, which does not exist yet
}

// Parcel is a work tree that is ready to be sent. Close it.
type Parcel interface {
	Contents() Contents
	// Send sends it, and returns when the guest has it at its place. The error
	// is the guest's, if it has one.
	Send(ctx context.Context, guest io.ReadWriter, p operation.Progress) error
	Close() error
}

// Contents are what is in a parcel.
type Contents struct {
	Source     string // the top of the user's work tree
	Format     string
	HeadCommit string
	BaseTree   string
	Branch     string
	Files      int64
	Bytes      int64
	Notes      []string // what was left out, and why
}

// CollectRequest says what the host has.
type CollectRequest struct {
	Vault string   // made if nothing was sent, and so it does not exist
	Base  string   // the tree that was sent; empty: none
	Known []string // trees and commits that need not be sent again
	// MaxBytes bounds what the vault may hold of the guest; 0: the limit of the host.
	MaxBytes int64
	// History asks for commits too.
	History bool
}

// Collected is a guest's work tree.
type Collected struct {
	Tree      string
	Head      string // the guest's HEAD; empty: not known, or none
	Branch    string
	Elsewhere Elsewhere
	Notes     []string
}

// WriteRequest says what to export.
type WriteRequest struct {
	Vault  string
	Base   string // a tree or a commit
	Tree   string
	Sent   string // the tree that was sent; empty: none
	Head   string // the guest's HEAD; empty: not known
	Branch string
	Format Format
	File   string // path of the file to make
}

// ResolveRequest is a revision as the user wrote it, and where to look for it:
// in the vault, in the user's work tree, and from the guest's HEAD.
type ResolveRequest struct {
	Revision string
	Vault    string
	Top      string // the user's work tree; empty: none
	Head     string // the guest's HEAD; empty: not known
	Branch   string // of the guest's HEAD
}

// WriteResult says what was exported.
type WriteResult struct {
	Base  string // what was really taken as the base
	Bytes int64
	Notes []string
}

// ApplyRequest says what to apply, and where.
type ApplyRequest struct {
	Top       string
	Patch     string // path of the file
	Files     []File // what it changes
	CheckOnly bool
}

// ApplyResult says what came of an apply.
type ApplyResult struct {
	Conflicts []string // the files in the patch's way; nothing was changed
	Already   bool     // the work tree has the patch already; nothing was changed
}

// Guests reaches the agents in guests.
type Guests interface {
	// Workspace opens a stream for one transfer. It ends with ctx; the caller closes it.
	Workspace(ctx context.Context, vmID string, req GuestRequest) (io.ReadWriteCloser, error)
}

// GuestRequest is one transfer: to the guest with Put, else from it.
type GuestRequest struct {
	Put     bool
	Path    string
	Replace bool
	Bytes   int64
	Files   int64
	Format  string
	Base    string // the tree that was sent, for a transfer from the guest
}

// Vaults is where the host keeps vaults and exports of VMs.
type Vaults interface {
	// Vault is the path of a vault; its directory exists.
	Vault(vmID, name string) (string, error)
	// Keep removes what a VM has but for the named vault.
	Keep(vmID, name string) error
	// Export is the path of an export's file; its directory exists, and older
	// exports are gone.
	Export(vmID, id string) (string, error)
	// Copy copies a workspace's vault to another VM.
	Copy(w Workspace, toVM string) error
	// Save copies a workspace's vault, and the workspace, into dir, which it makes.
	Save(w Workspace, dir string) error
	// Saved reads the workspace that Save put into dir; false: there is no dir.
	Saved(dir string) (Workspace, bool, error)
	// Merge puts what Save put into dir into the vault of a VM, which keeps what it has.
	Merge(dir, vmID, vault string) error
	// OpenExport opens an export's file. NotFound when it is gone.
	OpenExport(vmID, id string) (io.ReadCloser, int64, error)
}
