// Package snapshot holds the rules of snapshots of a VM's disk: what one is, how many
// there may be, which of them go in a prune, and which have work that is nowhere else.
package snapshot

import (
	"fmt"
	"slices"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/plain"
)

const (
	// Most bounds the snapshots of one VM.
	Most = 64
	// maxNote bounds a note, in bytes.
	maxNote = 1024
)

// Kind is what a snapshot has.
type Kind string

// Disk has the VM's disk. A kind with the memory of a running guest is to follow.
const Disk Kind = "disk"

// Origin is why a snapshot was taken.
type Origin string

// The origins: somebody asked for it; it is what a rollback replaced.
const (
	Asked    Origin = "asked"
	Rollback Origin = "rollback"
)

// Work is what was known of the VM's workspace: whether it had work that no export had.
type Work string

// What can be known. Without a workspace it is NoWorkspace.
const (
	NoWorkspace Work = ""
	WorkClean   Work = "clean"
	WorkChanged Work = "changed"
	WorkUnknown Work = "unknown"
)

// Snapshot is one of a VM. Sizes are bytes, times UTC.
type Snapshot struct {
	ID        string
	VMID      string
	Name      string // unique among the VM's
	Note      string
	Kind      Kind
	Origin    Origin
	CreatedAt time.Time
	// Live says that the VM ran when it was taken: the guest was asked to write what it
	// held back, and was paused.
	Live bool

	ImageID     string
	ImageDigest string // empty: not known
	Kernel      string // the name of the VM's kernel
	DiskBytes   int64  // the disk, as the guest has it
	// ResetPending says that a reset of the system was still to be done by the next start.
	ResetPending bool
	// Disk is what the disk's file must be. It is the store's to set.
	Disk File
	// SizeBytes is what the host's disk has for this snapshot alone; 0: not measured.
	SizeBytes int64

	Workspace string // where it was in the guest; empty: there was none
	Work      Work

	// Damaged is what is wrong with it; empty: nothing is known to be. Of one whose manifest
	// cannot be read only ID and VMID are known besides.
	Damaged string
}

// File tells a file from others, and from itself after a change.
type File struct {
	Size       int64
	ModifiedAt time.Time
}

// Label is the name, or for want of one the ID.
func (s Snapshot) Label() string {
	if s.Name == "" {
		return s.ID
	}
	return s.Name
}

// OnlyWork reports whether the snapshot has, or may have, work that is nowhere else: a
// rollback took it out of the VM, and no export had it.
func (s Snapshot) OnlyWork() bool {
	return s.Origin == Rollback && (s.Work == WorkChanged || s.Work == WorkUnknown)
}

// Find returns the one with this name or ID. NotFound otherwise.
func Find(all []Snapshot, vmName, ref string) (Snapshot, error) {
	for _, s := range all {
		if s.Name == ref && ref != "" || s.ID == ref {
			return s, nil
		}
	}
	if len(all) == 0 {
		return Snapshot{}, fault.New(fault.NotFound, "VM %s has no snapshots", vmName).Try(act.SnapshotCreate.On(vmName))
	}
	return Snapshot{}, fault.New(fault.NotFound, "VM %s has no snapshot %q", vmName, plain.Value(ref)).Try(act.SnapshotList.On(vmName))
}

// Latest returns the newest that somebody asked for, and that is not damaged. NotFound when
// there is none.
func Latest(all []Snapshot, vmName string) (Snapshot, error) {
	for _, s := range slices.Backward(all) {
		if s.Damaged == "" && s.Origin == Asked {
			return s, nil
		}
	}
	if len(all) == 0 {
		return Find(nil, vmName, "")
	}
	return Snapshot{}, fault.New(fault.NotFound, "VM %s has no snapshot that somebody asked for", vmName).
		WithHint("name one: %s", act.SnapshotList.On(vmName))
}

// CheckNew returns why there can be no more: Conflict for a name that is taken, and at
// the ceiling.
func CheckNew(all []Snapshot, vmName, name string) error {
	for _, s := range all {
		if s.Name == name {
			return fault.New(fault.Conflict, "VM %s has a snapshot %s already", vmName, name).
				WithHint("choose another name, or delete it: %s", act.SnapshotDelete.On(vmName).To(name))
		}
	}
	if len(all) >= Most {
		return fault.New(fault.Conflict, "VM %s has %d snapshots, and there can be no more", vmName, len(all)).
			Try(act.SnapshotPrune.On(vmName))
	}
	return nil
}

// CheckNote bounds what somebody writes about a snapshot. The fault is Invalid.
func CheckNote(note string) error {
	if len(note) > maxNote {
		return fault.New(fault.Invalid, "a note of %d bytes is too long", len(note)).WithHint("at most %d", maxNote)
	}
	if plain.Line(note, maxNote) != note {
		return fault.New(fault.Invalid, "the note %q has characters that cannot be shown", plain.Value(note)).WithHint("use plain text")
	}
	return nil
}

// FreeName makes a name from a word and the time that no other has.
func FreeName(all []Snapshot, word string, now time.Time) string {
	name := word + "-" + now.UTC().Format("20060102-150405")
	for n := 2; ; n++ {
		taken := slices.ContainsFunc(all, func(s Snapshot) bool { return s.Name == name })
		if !taken && !ids.Like(name) {
			return name
		}
		name = fmt.Sprintf("%s-%s-%d", word, now.UTC().Format("20060102-150405"), n)
	}
}

// MostChanges bounds how many differences of two disks are told.
const MostChanges = 10_000

// Change is one file that differs between two disks.
type Change struct {
	Path string // in the guest
	Kind string // added, changed or deleted
}

// Pruning says which snapshots go.
type Pruning struct {
	All         bool // also those that somebody asked for
	Keep        int  // of each VM the newest that stay
	DiscardWork bool // also those with work that is nowhere else
}

// Check returns the fault Invalid for a number that cannot be.
func (p Pruning) Check() error {
	if p.Keep < 0 || p.Keep > Most {
		return fault.New(fault.Invalid, "%d snapshots to keep is not valid", p.Keep).WithHint("0 to %d", Most)
	}
	return nil
}

// Choose returns those of one VM, which are ordered by age, that go, and those that would
// if their work were somewhere else.
func (p Pruning) Choose(all []Snapshot) (gone, held []Snapshot) {
	for i, s := range all {
		switch {
		case i >= len(all)-p.Keep, !p.All && s.Origin != Rollback:
		case s.OnlyWork() && !p.DiscardWork:
			held = append(held, s)
		default:
			gone = append(gone, s)
		}
	}
	return gone, held
}
