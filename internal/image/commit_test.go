package image_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

func TestCommit(t *testing.T) {
	f := newFixture()
	kernels := &fakeKernels{}
	f.UseKernels(kernels)
	base, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: "base", KernelRef: "k"}, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	f.source.digest, f.source.config = "sha256:2", base.Config
	content := &fakeContent{s: f.source}
	var seen stages
	req := image.CommitRequest{VM: "web", Base: base.ID, Name: "ready"}
	made, err := f.Commit(t.Context(), req, content, &seen)
	if err != nil {
		t.Fatal(err)
	}
	if made.ID == base.ID || made.Ref != "vm:web" || made.Kernel != "k" || !made.OwnKernel || made.Config.User != "u" {
		t.Errorf("%+v", made)
	}
	if diff := cmp.Diff([]string{"k in /staged/kernel", base.ID + " -> /staged/kernel"}, kernels.kept); diff != "" {
		t.Errorf("kernels: %s", diff)
	}
	if seen[len(seen)-1] != "commit" {
		t.Errorf("stages %v", seen)
	}
	_, err = f.Commit(t.Context(), req, content, &seen)
	if hint := fault.HintOf(err).String(); !errors.Is(err, fault.Conflict) || hint != "choose another name, or move the name to the new image: vm commit web (replace)" {
		t.Errorf("a taken name: %v (%s)", err, hint)
	}
	f.source.digest = "sha256:3"
	req.Replace = true
	if again, err := f.Commit(t.Context(), req, content, &seen); err != nil || again.ID == made.ID || again.Name != "ready" {
		t.Errorf("with replace: %+v, %v", again, err)
	}
	if _, err := f.Get(t.Context(), made.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("the image that lost its only name: %v", err)
	}
	for _, name := range []string{"", "No", "../x"} {
		if err := f.CheckCommit(t.Context(), image.CommitRequest{VM: "web", Name: name}); !errors.Is(err, fault.Invalid) {
			t.Errorf("the name %q: %v", name, err)
		}
	}
}

func TestOfVM(t *testing.T) {
	own := image.OfVM([]string{"/root/.config/../token"})
	for path, want := range map[string]bool{
		"/etc/machine-id": true, "/etc/ssh/ssh_host_ed25519_key": true, "/etc/ssh/sshd_config": false, "/root/token": true,
		"/root": false, "/etc/hostname": true, "/etc/hostname/x": false,
	} {
		if own(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}
