package agentrpc

// WorkspaceProtocol is the Upgrade token of POST /v1/workspace. The request
// carries a WorkspaceRequest as its JSON body; what follows "101 Switching
// Protocols" depends on its verb. JSON values on the stream are one line each,
// at most MaxLine bytes.
//
// "put" writes a git work tree into the guest. The host sends a tree (see
// TreeWriter), whose root becomes the directory Path; the agent answers with
// one WorkspaceAnswer line, early when it fails. Nothing is at Path until all
// of it is.
//
// "collect" reads a work tree. The agent answers with one WorkspaceAnswer. When
// it has git, a Snapshot follows, then the host's WorkspaceWant, and for each
// repository of the snapshot a git pack in chunks (see ChunkWriter). When it has
// none, a list of all files follows (see TreeWriter: files without data). Then
// the host sends paths, each a chunk, and the agent those files as a tree, again
// and again until the host asks for none.
// The agent closes a stream that fails, after a chunk or record that says why.
const WorkspaceProtocol = "banger-workspace-v1"

// PathWorkspace is where the agent serves WorkspaceProtocol.
const PathWorkspace = "/v1/workspace"

// The verbs of a WorkspaceRequest.
const (
	WorkspacePut     = "put"
	WorkspaceCollect = "collect"
)

// WorkspaceRequest begins a transfer.
type WorkspaceRequest struct {
	Verb string `json:"verb"`
	Path string `json:"path"` // absolute, in the guest
	// Replace lets put take the place of a directory that is not empty.
	Replace bool `json:"replace,omitempty"`
	// Bytes and Files are what put will need, so that a full disk is found first.
	Bytes int64 `json:"bytes,omitempty"`
	Files int64 `json:"files,omitempty"`
	// Format is the repository's object format: "sha1" or "sha256".
	Format string `json:"format,omitempty"`
	// Base is the tree that was sent, for collect: its files count as tracked.
	Base string `json:"base,omitempty"`
	// NoGit makes collect send files though the guest has git.
	NoGit bool `json:"no_git,omitempty"`
}

// WorkspaceAnswer is the agent's answer. Code is empty for success, else one of
// banger's codes of errors.
type WorkspaceAnswer struct {
	Code string `json:"code,omitempty"`
	// Message says what went wrong; in collect's answer without a code, what the
	// snapshot lacks, or why files are sent though the guest has git.
	Message string `json:"message,omitempty"`
	// Snapshot is collect's, from a guest with git.
	Snapshot *WorkspaceSnapshot `json:"snapshot,omitempty"`
}

// WorkspaceSnapshot is a work tree that the guest's git has read.
type WorkspaceSnapshot struct {
	Repos []WorkspaceRepo `json:"repos"` // the first is the work tree itself
}

// MaxWorkspaceRepos bounds the repositories of one work tree.
const MaxWorkspaceRepos = 256

// WorkspaceRepo is one repository of a work tree.
type WorkspaceRepo struct {
	Path   []byte `json:"path,omitempty"` // below the work tree; empty: itself
	Format string `json:"format"`
	Tree   string `json:"tree"`
	Head   string `json:"head,omitempty"`
	Branch string `json:"branch,omitempty"` // refs/heads/…
	// Elsewhere names branches with commits that HEAD does not contain and the
	// host did not send, each "REF COMMIT", and linked work trees with changes
	// that are not committed, each LinkedWorkTree and its path.
	Elsewhere []string `json:"elsewhere,omitempty"`
}

// MaxElsewhere bounds the branches, and the linked work trees, that are named.
const MaxElsewhere = 100

// LinkedWorkTree begins what is said of a linked work tree.
const LinkedWorkTree = "worktrees/"

// WorkspaceWant says what the host lacks of a snapshot.
type WorkspaceWant struct {
	// Packs: send the objects. Without it the snapshot is all.
	Packs bool `json:"packs"`
	// History includes the commits up to each HEAD, not only the trees.
	History bool `json:"history,omitempty"`
	// HeadOnly includes the commit at each HEAD, and none before it.
	HeadOnly bool `json:"head_only,omitempty"`
	// Have are objects (commits, trees) that the host has, with all they need.
	Have []string `json:"have,omitempty"`
}
