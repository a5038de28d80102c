package mcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

func (f *fake) ListImages(context.Context) ([]api.Image, error) {
	return []api.Image{{Name: "debian", ID: "1"}}, nil
}

func (f *fake) AvailableImages(context.Context) (api.AvailableImages, error) {
	return api.AvailableImages{Items: []api.AvailableImage{{Name: "alpine", State: "available", Ref: "alpine:3"}}}, nil
}

// CommitVM knows that the name debian is taken, and that box must be stopped.
func (f *fake) CommitVM(_ context.Context, name string, req api.CommitVM) (api.Operation, error) {
	switch {
	case f.find(name) != nil:
		return api.Operation{}, f.find(name)
	case f.vms[0].State == api.VMRunning:
		return api.Operation{}, fault.New(fault.Conflict, "VM box is running").Try(act.VMStop.On(name))
	case req.Image == "debian" && !req.Replace:
		return api.Operation{}, fault.New(fault.Conflict, "image debian already exists").Try(act.VMCommit.On(name, act.Replace).To(req.Image))
	}
	f.commits = append(f.commits, req)
	return api.Operation{ID: "vm.commit"}, nil
}

func (f *fake) SaveImage(_ context.Context, name string) (client.Archive, error) {
	if name != "debian" {
		return client.Archive{}, fault.New(fault.NotFound, "no image %q", name).Try(act.ImageList.Do())
	}
	var data io.Reader = bytes.NewReader(f.patch)
	if f.torn != "" {
		data = io.MultiReader(bytes.NewReader(f.patch[:3]), iotest.ErrReader(errors.New(f.torn)))
	}
	return client.Archive{ReadCloser: io.NopCloser(data), Layers: api.ArchiveLayers{Pulled: 2, Committed: 1}}, nil
}

func TestVMCommit(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	if p := refused(t, s, "vm_commit", object{"vm": "box", "image": "ready"}); p.Code != "conflict" || p.Hint != `call vm_stop {"vm": "box"}` {
		t.Errorf("a running VM: %+v", p)
	}
	f.vms[0].State = api.VMStopped
	if p := refused(t, s, "vm_commit", object{"vm": "box", "image": "debian"}); p.Hint != `call vm_commit {"vm": "box", "image": "debian", "replace": true}` {
		t.Errorf("a taken name: %+v", p)
	}
	if p := refused(t, s, "vm_commit", object{"vm": "none", "image": "ready"}); p.Code != "not_found" {
		t.Errorf("no VM: %+v", p)
	}
	if got := get[image](t, s, "vm_commit", object{"vm": "box", "image": "ready"}); got.Name != "ready" || got.ID != "2" {
		t.Errorf("%+v", got)
	}
	get[image](t, s, "vm_commit", object{"vm": "box", "image": "debian", "replace": true})
	if diff := cmp.Diff([]api.CommitVM{{Image: "ready"}, {Image: "debian", Replace: true}}, f.commits); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
}

// An archive is on the host whole or not at all, and takes the place of nothing.
func TestImageSave(t *testing.T) {
	f := newFake(t)
	f.patch = []byte("an OCI archive")
	s := connect(t, f, nil)
	dir := t.TempDir()
	out := filepath.Join(dir, "debian.tar")
	args := object{"image": "debian", "output_path": out}
	f.torn = "the archive ended early"
	if p := refused(t, s, "image_save", args); p.Code != "unavailable" || !strings.Contains(p.Message, f.torn) {
		t.Errorf("an archive that ends early: %+v", p)
	}
	if p := refused(t, s, "image_save", object{"image": "none", "output_path": out}); p.Code != "not_found" {
		t.Errorf("no image: %+v", p)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Fatalf("left %v, %v", left, err)
	}
	f.torn = ""
	got := get[imageSaveResult](t, s, "image_save", args)
	if diff := cmp.Diff(imageSaveResult{Output: out, Bytes: int64(len(f.patch)), Pulled: 2, Committed: 1}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if data, err := os.ReadFile(out); err != nil || !bytes.Equal(data, f.patch) {
		t.Errorf("%q, %v", data, err)
	}
	if p := refused(t, s, "image_save", args); p.Code != "conflict" || !strings.Contains(p.Hint, "output_path") {
		t.Errorf("a path that is taken: %+v", p)
	}
}
