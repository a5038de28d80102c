package vm_test

import (
	"context"
	"errors"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// TestWhichKernelAVMGetsForItsOwn: what is asked for, else the image's, which need
// not be anywhere else any more.
func TestWhichKernelAVMGetsForItsOwn(t *testing.T) {
	asked, gone := "debian-12", "gone"
	for name, test := range map[string]struct {
		asked *string
		image string
		// prefer suits the image, and configured is what vm.kernel says.
		prefer, configured string

		own  *vm.Kernel
		want string
		code fault.Code // where it fails
	}{
		"nothing is said":                    {want: "debian-12"},
		"the image names one":                {image: "debian-12", want: "debian-12"},
		"the image owns one":                 {image: "gone", own: &vm.Kernel{Name: "gone"}, want: "gone"},
		"the image owns one, another wanted": {asked: &asked, image: "gone", own: &vm.Kernel{Name: "gone"}, want: "debian-12"},
		"one suits":                          {prefer: "suits", want: "suits"},
		"one suits, and is not local":        {prefer: "gone", want: "debian-12"},
		"one suits, and is damaged":          {prefer: "damaged", code: fault.Unavailable},
		"one suits, another wanted":          {asked: &asked, prefer: "suits", want: "debian-12"},
		"one suits, another is configured":   {prefer: "suits", configured: "debian-12", want: "debian-12"},
		"one suits, the image names one":     {image: "debian-12", prefer: "suits", want: "debian-12"},
		"what is asked for is nowhere":       {asked: &gone, image: "gone", own: &vm.Kernel{Name: "gone"}, code: fault.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.kernels.own = test.own
			h.deps.Images = fakeCatalog{points: h.points, kernel: test.image, prefer: test.prefer}
			defaults := h.deps.Defaults
			h.deps.Defaults = func(ctx context.Context) vm.Defaults {
				d := defaults(ctx)
				d.Kernel = test.configured
				return d
			}
			svc := vm.New(h.deps)
			t.Cleanup(svc.Close)
			v, err := svc.Create(t.Context(), vm.CreateRequest{Kernel: test.asked}, operation.Discard{})
			if test.want == "" {
				if fault.CodeOf(err) != test.code || len(h.kernels.kept) != 0 {
					t.Errorf("error %v, kept %v", err, h.kernels.kept)
				}
				return
			}
			if err != nil || v.Kernel != test.want || h.kernels.kept[v.ID] != test.want {
				t.Errorf("kernel %q, %v; kept %v; want %q", v.Kernel, err, h.kernels.kept, test.want)
			}
		})
	}
}

func TestSetGivesAStoppedVMAnotherKernel(t *testing.T) {
	h := newHarness(t)
	v := h.create("web", false)
	name, none, empty := "newer", "none", ""
	for _, bad := range []*string{&none, &empty} {
		if _, err := h.svc.Set(t.Context(), "web", vm.Change{Kernel: bad}); err == nil || h.get("web").Kernel != "debian-12" {
			t.Errorf("%q: error %v, kernel %s", *bad, err, h.get("web").Kernel)
		}
	}
	got, err := h.svc.Set(t.Context(), "web", vm.Change{Kernel: &name})
	if err != nil || got.Kernel != name || h.kernels.kept[v.ID] != name {
		t.Errorf("kernel %q, %v; kept %v", got.Kernel, err, h.kernels.kept)
	}
	alive := h.create("alive", true)
	if _, err := h.svc.Set(t.Context(), alive.Name, vm.Change{Kernel: &name}); !errors.Is(err, fault.Conflict) {
		t.Errorf("of a living VM: %v, want Conflict", err)
	}
}
