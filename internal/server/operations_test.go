package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

func TestVerbsBecomeOperations(t *testing.T) {
	f := start(t)
	ctx := t.Context()
	none := 0.0
	for _, begin := range []func() (api.Operation, error){
		func() (api.Operation, error) { return f.client.StartVM(ctx, "idle", api.StartVM{Wait: "port:80"}) },
		func() (api.Operation, error) {
			return f.client.StartVM(ctx, "idle", api.StartVM{Wait: "started", Rescue: true})
		},
		func() (api.Operation, error) { return f.client.StopVM(ctx, "web", api.StopVM{}) },
		func() (api.Operation, error) { return f.client.StopVM(ctx, "web", api.StopVM{TimeoutSeconds: &none}) },
		func() (api.Operation, error) { return f.client.ResetVM(ctx, "web", false) },
		func() (api.Operation, error) { return f.client.ResetVM(ctx, "web", true) },
		func() (api.Operation, error) { return f.client.DeleteVM(ctx, "web", api.DeleteVM{Force: true}) },
		func() (api.Operation, error) {
			return f.client.DeleteVM(ctx, "web", api.DeleteVM{Force: true, DiscardWork: true})
		},
	} {
		op, err := begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.client.Wait(ctx, op.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"start 00000000000000bb port:80", "rescue 00000000000000bb started", "stop 00000000000000aa 20s", "stop 00000000000000aa 0s",
		"reset 00000000000000aa false", "reset 00000000000000aa true", "delete 00000000000000aa {Force:true DiscardWork:false}",
		"delete 00000000000000aa {Force:true DiscardWork:true}",
	}
	if diff := cmp.Diff(want, f.calls()); diff != "" {
		t.Error(diff)
	}
	op, err := f.client.DeleteVM(ctx, "web", api.DeleteVM{DiscardWork: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.Wait(ctx, op.ID, nil); !errors.Is(err, fault.Conflict) || fault.HintOf(err).String() != "--force" {
		t.Errorf("the operation's fault: %v, hint %q", err, fault.HintOf(err).String())
	}
}

func TestWatchSeesStagesAndTheResult(t *testing.T) {
	f := start(t)
	step := make(chan struct{})
	f.create = func(_ context.Context, req vm.CreateRequest, p operation.Progress) (vm.VM, error) {
		p.Stage("disk")
		p.Count(1, 2, "bytes")
		<-step
		p.Stage("boot")
		<-step
		return vm.VM{ID: "cc", Name: *req.Name, State: vm.Running}, nil
	}
	name := "new"
	op, err := f.client.CreateVM(t.Context(), api.CreateVM{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	last, err := f.client.Wait(t.Context(), op.ID, func(op api.Operation) {
		for _, s := range op.Stages {
			if s.State == "running" && !seen[s.Name] {
				seen[s.Name] = true
				step <- struct{}{}
			}
		}
	})
	if err != nil || last.State != "succeeded" || !seen["disk"] || !seen["boot"] {
		t.Fatalf("%+v, %v, seen %v", last, err, seen)
	}
	var made api.VM
	if err := json.Unmarshal(last.Result, &made); err != nil || made.Name != "new" {
		t.Errorf("result %s: %v", last.Result, err)
	}
	again, err := f.client.GetOperation(t.Context(), op.ID)
	if err != nil || again.State != "succeeded" {
		t.Errorf("asked by id afterwards: %+v, %v", again, err)
	}
}

func TestCancelEndsTheWork(t *testing.T) {
	f := start(t)
	f.create = func(ctx context.Context, _ vm.CreateRequest, p operation.Progress) (vm.VM, error) {
		p.Stage("boot")
		<-ctx.Done()
		return vm.VM{}, ctx.Err()
	}
	op, err := f.client.CreateVM(t.Context(), api.CreateVM{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.CancelOperation(t.Context(), op.ID); err != nil {
		t.Fatal(err)
	}
	last, err := f.client.Wait(t.Context(), op.ID, nil)
	if !errors.Is(err, fault.Canceled) || last.State != "canceled" {
		t.Errorf("%+v, %v", last, err)
	}
}

func TestALeavingClientCancelsNothing(t *testing.T) {
	f := start(t)
	finish := make(chan struct{})
	f.create = func(ctx context.Context, _ vm.CreateRequest, p operation.Progress) (vm.VM, error) {
		p.Stage("boot")
		select {
		case <-finish:
			return vm.VM{Name: "x"}, nil
		case <-ctx.Done():
			return vm.VM{}, ctx.Err()
		}
	}
	op, err := f.client.CreateVM(t.Context(), api.CreateVM{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := f.client.Wait(ctx, op.ID, func(api.Operation) { cancel() }); !errors.Is(err, fault.Canceled) {
		t.Fatalf("the wait: %v", err)
	}
	close(finish)
	if last, err := f.client.Wait(t.Context(), op.ID, nil); err != nil || last.State != "succeeded" {
		t.Errorf("the operation: %+v, %v", last, err)
	}
}

func TestWatchAttachesAgain(t *testing.T) {
	f := start(t)
	finish := make(chan struct{}, 1)
	f.create = func(_ context.Context, _ vm.CreateRequest, p operation.Progress) (vm.VM, error) {
		p.Stage("boot")
		<-finish
		return vm.VM{Name: "x"}, nil
	}
	op, err := f.client.CreateVM(t.Context(), api.CreateVM{})
	if err != nil {
		t.Fatal(err)
	}
	watcher := client.New(f.socket)
	defer watcher.Close()
	dial, conns := watcher.Dial, 0
	var conn net.Conn
	watcher.Dial = func(ctx context.Context) (net.Conn, error) {
		conns++
		var err error
		conn, err = dial(ctx)
		return conn, err
	}
	last, err := watcher.Wait(t.Context(), op.ID, func(api.Operation) {
		if conns == 1 {
			_ = conn.Close()
			return
		}
		select {
		case finish <- struct{}{}:
		default:
		}
	})
	if err != nil || last.State != "succeeded" || conns < 2 {
		t.Errorf("%+v, %v after %d connections", last, err, conns)
	}
}

func TestWatchUnknown(t *testing.T) {
	f := start(t)
	if _, err := f.client.Wait(t.Context(), "nope", nil); !errors.Is(err, fault.NotFound) {
		t.Error(err)
	}
}
