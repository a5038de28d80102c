package server_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

func TestAVMWithAWorkspaceAndASession(t *testing.T) {
	f := start(t)
	f.create = func(context.Context, vm.CreateRequest, operation.Progress) (vm.VM, error) {
		return vm.VM{Name: "box"}, nil
	}
	req := api.CreateVM{
		Workspace: &api.PrepareWorkspace{Path: "/src", Mode: "full_copy"},
		Session:   &api.StartSession{Command: []string{"npm", "test"}, TTY: true},
	}
	op, err := f.client.CreateVM(t.Context(), req)
	if err == nil {
		op, err = f.client.Wait(t.Context(), op.ID, nil)
	}
	made, resultErr := client.Result[api.CreatedVM](op)
	if errors.Join(err, resultErr) != nil || made.Started == nil || made.Started.Mode != "tty" || !slices.Equal(made.Started.Command, []string{"npm", "test"}) || made.Started.VM != made.Name {
		t.Errorf("%+v, %v, %v", made.Started, err, resultErr)
	}
	if !slices.Contains(f.calls(), "workspace /src") {
		t.Errorf("it did %q", f.calls())
	}
	req.Workspace.Mode = "some"
	if _, err := f.client.CreateVM(t.Context(), req); !errors.Is(err, fault.Invalid) {
		t.Errorf("a mode that is none: %v", err)
	}
}
