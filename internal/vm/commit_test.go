package vm_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// fakeCommits remembers what it was asked for, and what else can be done meanwhile.
type fakeCommits struct {
	req       image.CommitRequest
	disk      string
	placed    []string
	meanwhile func()
}

func (c *fakeCommits) Commit(_ context.Context, req image.CommitRequest, disk string, placed []string, _ operation.Progress) (image.Image, error) {
	c.req, c.disk, c.placed = req, disk, placed
	c.meanwhile()
	return image.Image{Name: req.Name}, nil
}

func TestCommitHoldsTheVM(t *testing.T) {
	h := newHarness(t)
	c := &fakeCommits{}
	h.deps.Commits = c
	h.deps.Files = func(context.Context) ([]vm.File, []string) { return []vm.File{{Path: "/root/.token"}}, nil }
	h.restartDaemon(func() {})
	v := h.create("web", true)
	_, err := h.svc.Commit(t.Context(), "web", "ready", false, quiet)
	wantFault(t, err, fault.Conflict, "VM web is running")
	if _, err := h.svc.Stop(t.Context(), "web", time.Second, quiet); err != nil {
		t.Fatal(err)
	}
	c.meanwhile = func() {
		_, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet)
		wantFault(t, err, fault.Busy, "commit is in progress")
		wantFault(t, h.svc.Delete(t.Context(), "web", vm.Removal{}, quiet), fault.Busy, "commit is in progress")
	}
	if m, err := h.svc.Commit(t.Context(), "web", "ready", true, quiet); err != nil || m.Name != "ready" {
		t.Fatalf("%+v, %v", m, err)
	}
	if diff := cmp.Diff(image.CommitRequest{VM: "web", Base: v.ImageID, Name: "ready", Replace: true}, c.req); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/root/.token"}, c.placed); diff != "" || c.disk == "" {
		t.Errorf("the disk is %q, placed %s", c.disk, diff)
	}
	if _, err := h.svc.Reset(t.Context(), "web", true, quiet); err != nil {
		t.Fatal(err)
	}
	_, err = h.svc.Commit(t.Context(), "web", "ready", false, quiet)
	wantFault(t, err, fault.Conflict, "was reset")
}
