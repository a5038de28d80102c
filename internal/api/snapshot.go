package api

import "time"

// Snapshot is a VM's disk as it was.
type Snapshot struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	VM           string    `json:"vm"`
	VMID         string    `json:"vm_id"`
	Note         string    `json:"note,omitempty"`
	Kind         string    `json:"kind" enum:",disk" doc:"what it has of the VM"`
	Origin       string    `json:"origin" enum:",asked,rollback" doc:"asked: somebody asked for it; rollback: it is what a rollback replaced"`
	CreatedAt    time.Time `json:"created_at"`
	Live         bool      `json:"live" doc:"the VM was running; its guest wrote what it held back, and was paused"`
	ImageID      string    `json:"image_id"`
	ImageDigest  string    `json:"image_digest,omitempty"`
	Kernel       string    `json:"kernel"`
	DiskBytes    int64     `json:"disk_bytes" doc:"the disk, as the guest has it"`
	SizeBytes    int64     `json:"size_bytes" doc:"on the host's disk, without what it shares with the VM's disk and later snapshots"`
	ResetPending bool      `json:"reset_pending" doc:"the next start after a rollback to it resets the system"`
	Workspace    string    `json:"workspace,omitempty" doc:"where the workspace was in the guest"`
	Work         string    `json:"work,omitempty" enum:",clean,changed,unknown" doc:"whether the workspace had unexported changes"`
	Damaged      string    `json:"damaged,omitempty" doc:"what is wrong with it; it cannot be used"`
}

// CreateSnapshot asks for a snapshot.
type CreateSnapshot struct {
	Name     *string `json:"name,omitempty" doc:"default: one with the time"`
	Note     string  `json:"note,omitempty" maxLength:"1024"`
	DiskOnly bool    `json:"disk_only,omitempty" doc:"pause a running VM while its disk is copied; its memory is not kept"`
}

// PruneSnapshots says which snapshots go.
type PruneSnapshots struct {
	VM          string `json:"vm,omitempty" doc:"a name or an ID; empty: of all VMs"`
	All         bool   `json:"all,omitempty" doc:"also those that somebody asked for, not only what rollbacks replaced"`
	Keep        int    `json:"keep,omitempty" minimum:"0" maximum:"64" doc:"the newest of each VM stay"`
	DiscardWork bool   `json:"discard_work,omitempty" doc:"also those with unexported work that only they have"`
	DryRun      bool   `json:"dry_run,omitempty" doc:"only tell"`
}

// PrunedSnapshots is what a prune removed, and what it left for its work.
type PrunedSnapshots struct {
	Snapshots      []Snapshot `json:"snapshots"`
	Held           []Snapshot `json:"held" doc:"they have, or may have, unexported work that only they have"`
	ReclaimedBytes int64      `json:"reclaimed_bytes"`
}

// RollbackVM says where a VM goes back to.
type RollbackVM struct {
	Snapshot string `json:"snapshot,omitempty" doc:"a name or an ID; default: the latest that somebody asked for"`
	NoStart  bool   `json:"no_start,omitempty" doc:"leave a VM stopped that was running"`
}

// RolledBackVM is what a rollback did.
type RolledBackVM struct {
	VM       VM       `json:"vm"`
	Snapshot Snapshot `json:"snapshot" doc:"what the VM is now"`
	Kept     Snapshot `json:"kept" doc:"what the VM was"`
}

// ForkVM asks for copies of a VM.
type ForkVM struct {
	Name      *string `json:"name,omitempty" doc:"of several, with a number behind it; default: NAME-fork-1 and so on"`
	Count     *int    `json:"count,omitempty" minimum:"1" maximum:"32" doc:"default 1"`
	From      string  `json:"from,omitempty" doc:"a snapshot of the VM; default: its disk as it is"`
	WithFiles bool    `json:"with_files,omitempty" doc:"place files, such as credentials, as in other VMs; without, those on the disk are emptied"`
	DiskOnly  bool    `json:"disk_only,omitempty" doc:"pause a running VM while its disk is copied; its memory is not"`
	Start     *bool   `json:"start,omitempty" doc:"default true"`
	Wait      string  `json:"wait,omitempty" doc:"as for a create"`
}

// VMSnapshots is how many snapshots a VM has.
type VMSnapshots struct {
	Count     int   `json:"count"`
	SizeBytes int64 `json:"size_bytes" doc:"on the host's disk, without what they share with the VM's disk"`
}

// SnapshotDiff is how two states of a VM's disk differ.
type SnapshotDiff struct {
	Changes []SnapshotChange `json:"changes" doc:"by path; at most 10,000"`
	Total   int              `json:"total" doc:"how many there are"`
}

// SnapshotChange is one file that two states of a VM's disk do not share. Its times do not count.
type SnapshotChange struct {
	Path   string `json:"path" doc:"in the guest; what is not UTF-8 or cannot be shown is replaced"`
	Change string `json:"change" enum:"added,changed,deleted"`
}
