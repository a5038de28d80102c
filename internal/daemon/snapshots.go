package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/diskuse"
	"github.com/bangervm/banger/internal/ext4"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guesttree"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/snapshotstore"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/stream"
	"github.com/bangervm/banger/internal/vm"
)

// snapshots is the store, with what each takes on the host's disk.
type snapshots struct {
	*snapshotstore.Store
	dirs statedir.Dirs
}

// List implements snapshot.Store. What a snapshot shares with the VM's disk, or with a
// later one, is theirs.
func (s snapshots) List(ctx context.Context, vmID string) ([]snapshot.Snapshot, error) {
	all, err := s.Store.List(ctx, vmID)
	if err != nil || len(all) == 0 {
		return all, err
	}
	meter, dir := diskuse.New(), s.dirs.VM(vmID)
	for _, path := range []string{dir.Disk(), dir.Workspaces()} {
		if _, err := meter.Add(ctx, path); err != nil {
			return nil, err
		}
	}
	for i := range slices.Backward(all) {
		if all[i].SizeBytes, err = meter.Add(ctx, string(dir.Snapshot(all[i].ID))); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// diffs implements vm.Diffs.
type diffs struct{ images *image.Service }

func (d diffs) Diff(ctx context.Context, imageID, older, newer string) ([]snapshot.Change, int, error) {
	base, err := d.images.ByID(ctx, imageID)
	if err != nil {
		return nil, 0, err
	}
	if err := d.images.Usable(base); err != nil {
		return nil, 0, err
	}
	var trees [3]*ext4.FS
	for i, path := range []string{d.images.Rootfs(base), older, newer} {
		file, fs, err := openDisk(ctx, path)
		if err != nil {
			return nil, 0, err
		}
		defer file.Close() //nolint:errcheck // read only
		trees[i] = fs
	}
	limits := guesttree.Limits{Entries: 1 << 19, Names: 64 << 20}
	found, all, err := guesttree.Diff(ctx, guesttree.Source{Image: trees[0], Disk: trees[1], Limits: limits},
		guesttree.Source{Image: trees[0], Disk: trees[2], Limits: limits}, snapshot.MostChanges)
	changes := make([]snapshot.Change, 0, len(found))
	for _, one := range found {
		changes = append(changes, snapshot.Change{Path: one.Path, Kind: string(one.Kind)})
	}
	return changes, all, err
}

// Sync implements vm.Quiet by the guest's own sync.
func (g guests) Sync(ctx context.Context, vmID string) (err error) {
	conn, err := g.Exec(ctx, vmID, agentrpc.ExecRequest{Command: []string{"sync"}, Dir: "/", User: "root"})
	if err != nil {
		return err
	}
	stop := stream.Interrupt(ctx, conn.SetDeadline)
	defer func() {
		if !stop() {
			err = errors.Join(ctx.Err(), err)
		}
		err = errors.Join(err, conn.Close())
	}()
	var buf []byte
	said := ""
	for {
		kind, payload, err := agentrpc.ReadFrame(conn, buf)
		if err != nil {
			return err
		}
		switch {
		case kind == agentrpc.FrameStderr && said == "":
			said = plain.Value(string(payload))
		case (kind == agentrpc.FrameExit || kind == agentrpc.FrameError) && len(payload) >= 4:
			if kind == agentrpc.FrameError {
				return fault.New(fault.NotFound, "sync does not start: %s", plain.Value(string(payload[4:])))
			}
			if status := binary.BigEndian.Uint32(payload); status != 0 {
				return fault.New(fault.Unavailable, "sync ended with status %d: %s", status, said)
			}
			return nil
		}
	}
}

var (
	_ vm.Quiet       = guests{}
	_ snapshot.Store = snapshots{}
)
