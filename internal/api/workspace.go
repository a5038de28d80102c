package api

import "time"

// PrepareWorkspace puts a git work tree of the host into a running VM.
type PrepareWorkspace struct {
	Path   string `json:"path" doc:"absolute, in a git work tree on the daemon's host"`
	Mode   string `json:"mode,omitempty" doc:"shallow (default): one commit and the work tree; full_copy: all refs, and submodules"`
	To     string `json:"to,omitempty" doc:"absolute, in the guest; default /root/repo"`
	Branch string `json:"branch,omitempty" doc:"the branch of the guest's HEAD; default: the work tree's"`
	Force  bool   `json:"force,omitempty" doc:"replace an existing workspace, including unexported work"`
}

// Workspace is a git work tree that was put into a VM, and what is known of the
// work in it.
type Workspace struct {
	VM         string     `json:"vm"`
	Path       string     `json:"path" doc:"in the guest"`
	Source     string     `json:"source" doc:"the work tree on the host"`
	Mode       string     `json:"mode" enum:"shallow,full_copy"`
	Branch     string     `json:"branch" doc:"empty: detached"`
	HeadCommit string     `json:"head_commit" doc:"the commit that was copied; empty before the first commit"`
	BaseTree   string     `json:"base_tree" doc:"everything that was copied, uncommitted changes included"`
	PreparedAt time.Time  `json:"prepared_at"`
	ExportedAt *time.Time `json:"exported_at"`
	State      string     `json:"state" enum:"clean,changed,unknown" doc:"whether there is unexported work"`
	Files      int        `json:"files" doc:"changed since the last export, or since it was copied"`
	Elsewhere  []string   `json:"elsewhere" doc:"branches with commits that HEAD does not have; DIR:BRANCH in a repository inside"`
	Stashes    []string   `json:"stashes" doc:"directories of repositories with stashed changes; . is the workspace"`
	WorkTrees  []string   `json:"work_trees" doc:"linked work trees with uncommitted changes"`
	Unread     bool       `json:"unread" doc:"git in the guest cannot read the repository, so its branches are unknown"`
	MeasuredAt *time.Time `json:"measured_at"`
	// FilesSent, BytesSent and Notes are in the answer to a prepare only.
	FilesSent int64    `json:"files_sent,omitempty"`
	BytesSent int64    `json:"bytes_sent,omitempty"`
	Notes     []string `json:"notes,omitempty"`
}

// ExportWorkspace asks for the work done in a VM.
type ExportWorkspace struct {
	BaseCommit string `json:"base_commit,omitempty" doc:"a revision, or the name of a tree; default: what the host's work tree has, or the guest's HEAD"`
	Format     string `json:"format,omitempty" doc:"patch (default), mbox or bundle"`
	Path       string `json:"path,omitempty" doc:"a work tree in the guest; default: the workspace"`
	Check      bool   `json:"check,omitempty" doc:"check whether the patch applies to the host's work tree"`
	Apply      bool   `json:"apply,omitempty" doc:"apply it to the host's work tree, all of it or nothing"`
	Tree       string `json:"tree,omitempty" doc:"fail with a conflict if the guest's work tree is no longer this one, of an export that was read"`
}

// Export is what came back. Its bytes are at
// GET /v1/vms/{name}/workspace/exports/{id}, until the next export.
type Export struct {
	ID         string         `json:"id"`
	BaseCommit string         `json:"base_commit" doc:"what it is compared with: a commit or a tree"`
	Tree       string         `json:"tree" doc:"the guest's work tree"`
	Format     string         `json:"format" enum:"patch,mbox,bundle"`
	Bytes      int64          `json:"bytes"`
	Files      []ExportedFile `json:"files" doc:"the first 10000 of them"`
	FileCount  int            `json:"file_count"`
	Insertions int64          `json:"insertions"`
	Deletions  int64          `json:"deletions"`
	Notes      []string       `json:"notes"`
	Checked    bool           `json:"checked" doc:"whether conflicts were checked"`
	Conflicts  []string       `json:"conflicts" doc:"files of the host's work tree that conflict"`
	Applied    bool           `json:"applied"`
	Already    bool           `json:"already_applied,omitempty" doc:"the host's work tree already had it"`
}

// ExportedFile is one changed file. A path that is not UTF-8 has path_base64 too.
type ExportedFile struct {
	Path       string `json:"path"`
	PathBase64 []byte `json:"path_base64,omitempty" doc:"the bytes, when they are not UTF-8"`
	From       string `json:"from,omitempty" doc:"what was renamed or copied"`
	Status     string `json:"status" enum:"added,modified,deleted,renamed,copied,type_changed"`
	Mode       string `json:"mode,omitempty" doc:"git's: 100644, 100755 (executable), 120000 (a symbolic link), 160000 (a submodule)"`
	OldMode    string `json:"old_mode,omitempty" doc:"the same, before"`
	Insertions int64  `json:"insertions"`
	Deletions  int64  `json:"deletions"`
	Binary     bool   `json:"binary,omitempty"`
}
