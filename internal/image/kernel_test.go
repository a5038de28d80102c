package image_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
)

// fakeKernels has the kernel "k".
type fakeKernels struct {
	kept []string
	fail error
	// meanwhile is what happens while Build works; nil: nothing.
	meanwhile func()
	// damaged is what is wrong with an image's own.
	damaged error
	// missing is what a look at it tells.
	missing error
}

func (k *fakeKernels) Check(_ context.Context, name string) error {
	if name != "k" {
		return fault.New(fault.NotFound, "no kernel %s", name)
	}
	return nil
}

func (k *fakeKernels) KeepOf(_ context.Context, imageID, dir string) error {
	k.kept = append(k.kept, imageID+" -> "+dir)
	return nil
}

func (k *fakeKernels) Look(string) error { return k.missing }

func (k *fakeKernels) Verify(context.Context, string) error { return k.damaged }

func (k *fakeKernels) Restore(_ context.Context, imageID, name string, _ operation.Progress) error {
	k.kept, k.damaged = append(k.kept, name+" again in "+imageID), nil
	return nil
}

func (k *fakeKernels) Build(_ context.Context, name string, files image.BootFiles, dir string, p operation.Progress) error {
	if k.fail != nil {
		return k.fail
	}
	p.Stage("find")
	if k.meanwhile != nil {
		k.meanwhile()
	}
	k.kept = append(k.kept, name+" of "+files.Kernel+" in "+dir)
	return nil
}

func (k *fakeKernels) Keep(_ context.Context, name, dir string) error {
	k.kept = append(k.kept, name+" in "+dir)
	return nil
}

func TestAnImageWithAKernelOfItsOwn(t *testing.T) {
	f := newFixture()
	kernels := &fakeKernels{}
	f.UseKernels(kernels)
	pull := func(req image.PullRequest) (image.Image, error) {
		req.Ref = "debian:12"
		return f.Pull(t.Context(), req, &stages{})
	}
	if _, err := pull(image.PullRequest{KernelRef: "none"}); !errors.Is(err, fault.NotFound) || f.source.closed != 0 {
		t.Errorf("an unknown kernel: %v, %d sources opened", err, f.source.closed)
	}
	if _, err := pull(image.PullRequest{KernelRef: "k", Kernel: "k"}); !errors.Is(err, fault.Invalid) || f.source.closed != 0 {
		t.Errorf("two kernels: %v, %d sources opened", err, f.source.closed)
	}
	named, err := pull(image.PullRequest{Kernel: "k"})
	if err != nil || named.OwnKernel || len(kernels.kept) != 0 {
		t.Errorf("by name: %+v, %v, kept %v", named, err, kernels.kept)
	}
	owner, err := pull(image.PullRequest{KernelRef: "k"})
	if err != nil || !owner.OwnKernel || owner.Kernel != "k" || len(kernels.kept) != 1 || kernels.kept[0] != "k in /staged/kernel" {
		t.Errorf("for its own: %+v, %v, kept %v", owner, err, kernels.kept)
	}
	again, err := pull(image.PullRequest{KernelRef: "k"})
	if err != nil || again.ID != owner.ID || len(kernels.kept) != 1 {
		t.Errorf("again: %+v, %v, kept %v", again, err, kernels.kept)
	}
}

// TestRepairOfAKernel: what an image has for its own is read, and copied again.
func TestRepairOfAKernel(t *testing.T) {
	f := newFixture()
	kernels := &fakeKernels{}
	f.UseKernels(kernels)
	m, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: "d", KernelRef: "k"}, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Verify(t.Context(), "d", &stages{}); err != nil {
		t.Error(err)
	}
	kernels.missing = fault.New(fault.NotFound, "no kernel in d")
	err = f.HasKernel(m.Manifest)
	if !errors.Is(err, fault.Unavailable) || fault.CodeOf(err) != fault.Unavailable ||
		err.Error() != "image d has lost its kernel k: no kernel in d" || fault.HintOf(err).String() != "to give it a copy again: image repair d" {
		t.Errorf("a look: %v, hint %q", err, fault.HintOf(err))
	}
	kernels.missing = nil
	if err := f.HasKernel(m.Manifest); err != nil {
		t.Errorf("a look at a whole one: %v", err)
	}
	for _, damage := range []error{fault.New(fault.NotFound, "gone"), fault.New(fault.Unavailable, "changed")} {
		kernels.kept, kernels.damaged = nil, damage
		if _, err := f.Verify(t.Context(), "d", &stages{}); !errors.Is(err, fault.Unavailable) {
			t.Errorf("%v: %v", damage, err)
		}
		if _, err := f.Repair(t.Context(), "d", &stages{}); err != nil || len(kernels.kept) != 1 || kernels.kept[0] != "k again in "+m.ID {
			t.Errorf("%v, %v", kernels.kept, err)
		}
		if _, err := f.Repair(t.Context(), "d", &stages{}); err != nil || len(kernels.kept) != 1 {
			t.Errorf("of a whole one: %v, %v", kernels.kept, err)
		}
	}
}

// TestRegisterOfAFileThatChangesMeanwhile: a kernel's import takes minutes.
func TestRegisterOfAFileThatChangesMeanwhile(t *testing.T) {
	f := newFixture()
	kernels := &fakeKernels{meanwhile: func() { f.store.disk.damage(mine, goodRoot+"other") }}
	f.UseKernels(kernels)
	f.store.disk.put(mine, goodRoot+"mine", "my UUID")
	_, err := f.register(t.Context(), "m", func(r *image.RegisterRequest) { r.Boot.Kernel = "/k" })
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "changed") || len(f.store.images) != 0 || f.store.staged != 0 {
		t.Errorf("error %v, images %v, %d staged", err, f.store.images, f.store.staged)
	}
}
