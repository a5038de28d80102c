package operation_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

func TestMain(m *testing.M) {
	// The database's connection opener ends a moment after its Close.
	goleak.VerifyTestMain(m)
}

// last drains a watch and returns its final snapshot.
func last(t *testing.T, r *operation.Runner, id string) operation.Operation {
	t.Helper()
	ch, err := r.Watch(t.Context(), id)
	if err != nil {
		t.Fatalf("Watch: %v", err)
	}
	var op operation.Operation
	for op = range ch {
	}
	if !op.State.Ended() {
		t.Fatalf("the last snapshot is %s", op.State)
	}
	return op
}

func begin(t *testing.T, r *operation.Runner, work operation.Work) operation.Operation {
	t.Helper()
	op, err := r.Start(t.Context(), "test.work", "subject", work)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	return op
}

func TestWhatWorkMakesIsKept(t *testing.T) {
	store := newMemoryStore()
	r := operation.NewRunner(store, nil, nil)
	op := begin(t, r, func(_ context.Context, p operation.Progress) (any, error) {
		p.Stage("one")
		p.Count(3, 7, "bytes")
		p.Stage("two")
		p.Detail("hello %d", 1)
		return map[string]int{"answer": 42}, nil
	})
	got := last(t, r, op.ID)
	if got.State != operation.Succeeded || string(got.Result) != `{"answer":42}` || got.EndedAt.IsZero() {
		t.Errorf("operation = %+v", got)
	}
	if len(got.Stages) != 2 || got.Stages[0].State != operation.StageDone || got.Stages[0].Done != 3 ||
		got.Stages[1].State != operation.StageDone || got.Stages[1].Detail != "hello 1" {
		t.Errorf("stages = %+v", got.Stages)
	}
	stored, err := store.Get(t.Context(), op.ID)
	if err != nil || stored.State != operation.Succeeded {
		t.Errorf("stored = %+v, %v", stored, err)
	}
	if n := r.Active(); n != 0 {
		t.Errorf("Active = %d", n)
	}
}

func TestHowWorkFails(t *testing.T) {
	tests := map[string]struct {
		work    operation.Work
		code    fault.Code
		message string
	}{
		"fault": {func(context.Context, operation.Progress) (any, error) {
			return nil, fmt.Errorf("outer: %w", fault.New(fault.Conflict, "taken").WithHint("type this"))
		}, fault.Conflict, "outer: taken"},
		"text without an end": {func(context.Context, operation.Progress) (any, error) {
			return nil, fault.New(fault.Invalid, "%s", strings.Repeat("x", 1<<20)).WithHint("%s", strings.Repeat("x", 1<<20))
		}, fault.Invalid, "x…"},
		"panic": {func(context.Context, operation.Progress) (any, error) {
			panic("argh")
		}, fault.Internal, "argh"},
		"result that is no JSON": {func(context.Context, operation.Progress) (any, error) {
			return func() {}, nil
		}, fault.Internal, "encode"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := operation.NewRunner(newMemoryStore(), nil, nil)
			got := last(t, r, begin(t, r, func(ctx context.Context, p operation.Progress) (any, error) {
				p.Stage("only")
				return tt.work(ctx, p)
			}).ID)
			if got.State != operation.Failed || got.Code != string(tt.code) || !strings.Contains(got.Message, tt.message) {
				t.Errorf("operation = %+v", got)
			}
			if len(got.Message) > fault.MaxText || len(got.Hint.String()) > fault.MaxText {
				t.Errorf("a message of %d bytes, a hint of %d", len(got.Message), len(got.Hint.String()))
			}
			if name == "fault" && got.Hint.String() != "type this" {
				t.Errorf("hint = %q", got.Hint)
			}
			if got.Stages[0].State != operation.StageFailed {
				t.Errorf("stage = %+v", got.Stages[0])
			}
		})
	}
}

func TestCancelEndsTheWorkAndWaitsForItsUndoing(t *testing.T) {
	r := operation.NewRunner(newMemoryStore(), nil, nil)
	undone := false
	op := begin(t, r, func(ctx context.Context, _ operation.Progress) (any, error) {
		<-ctx.Done()
		undone = true
		return nil, ctx.Err()
	})
	if _, err := r.Cancel(t.Context(), op.ID); err != nil {
		t.Fatal(err)
	}
	got := last(t, r, op.ID)
	if got.State != operation.Canceled || got.Code != string(fault.Canceled) || !undone {
		t.Errorf("operation = %+v, undone %v", got, undone)
	}
	if again, err := r.Cancel(t.Context(), op.ID); err != nil || again.State != operation.Canceled {
		t.Errorf("second Cancel = %+v, %v", again, err)
	}
	if _, err := r.Cancel(t.Context(), "none"); !errors.Is(err, fault.NotFound) {
		t.Errorf("Cancel of nothing = %v", err)
	}
}

func TestWorkThatSucceedsThoughCancelledHasSucceeded(t *testing.T) {
	r := operation.NewRunner(newMemoryStore(), nil, nil)
	op := begin(t, r, func(ctx context.Context, _ operation.Progress) (any, error) {
		<-ctx.Done()
		return 1, nil
	})
	if _, err := r.Cancel(t.Context(), op.ID); err != nil {
		t.Fatal(err)
	}
	if got := last(t, r, op.ID); got.State != operation.Succeeded {
		t.Errorf("operation = %+v", got)
	}
}

func TestASlowWatcherHoldsNothingUpAndMissesNoEnd(t *testing.T) {
	r := operation.NewRunner(newMemoryStore(), nil, nil)
	release := make(chan struct{})
	op := begin(t, r, func(_ context.Context, p operation.Progress) (any, error) {
		<-release
		for n := range 5000 {
			p.Stage(fmt.Sprint("stage ", n%3))
			p.Count(int64(n), 5000, "")
		}
		return nil, nil
	})
	slow, err := r.Watch(t.Context(), op.ID)
	if err != nil {
		t.Fatal(err)
	}
	if first := <-slow; first.State != operation.Running || len(first.Stages) != 0 {
		t.Errorf("first snapshot = %+v", first)
	}
	close(release)
	last(t, r, op.ID) // ends though nobody receives from slow
	seen := 0
	var final operation.Operation
	for final = range slow {
		seen++
	}
	if final.State != operation.Succeeded || seen > 4 {
		t.Errorf("slow watcher saw %d snapshots, the last %s", seen, final.State)
	}
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	r := operation.NewRunner(newMemoryStore(), nil, nil)
	op := begin(t, r, func(ctx context.Context, _ operation.Progress) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	ch, err := r.Watch(ctx, op.ID)
	if err != nil {
		t.Fatal(err)
	}
	<-ch
	cancel()
	if _, open := <-ch; open {
		t.Error("a snapshot came after the context's end")
	}
	if err := r.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := r.Watch(t.Context(), "none"); !errors.Is(err, fault.NotFound) {
		t.Errorf("Watch of nothing = %v", err)
	}
}

func TestProgressIsStoredAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemoryStore()
		r := operation.NewRunner(store, nil, nil)
		op := begin(t, r, func(_ context.Context, p operation.Progress) (any, error) {
			p.Stage("copy")
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for n := range 5000 {
				<-tick.C
				p.Count(int64(n), 5000, "bytes")
			}
			return nil, nil
		})
		if got := last(t, r, op.ID); got.Stages[0].Done != 4999 {
			t.Errorf("final count = %d", got.Stages[0].Done)
		}
		if store.saves < 6 || store.saves > 12 {
			t.Errorf("%d saves in 5 s", store.saves)
		}
	})
}

func TestShutdownCancelsSaysWhyAndRefusesMore(t *testing.T) {
	store := newMemoryStore()
	r := operation.NewRunner(store, nil, nil)
	cause := make(chan error, 1)
	op := begin(t, r, func(ctx context.Context, _ operation.Progress) (any, error) {
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return nil, ctx.Err()
	})
	if n := r.Active(); n != 1 {
		t.Errorf("Active = %d", n)
	}
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-cause; !errors.Is(err, operation.ErrShutdown) {
		t.Errorf("cause = %v", err)
	}
	stored, err := store.Get(t.Context(), op.ID)
	if err != nil || stored.State != operation.Failed || stored.Code != string(fault.Unavailable) {
		t.Errorf("stored = %+v, %v", stored, err)
	}
	if _, err := r.Start(t.Context(), "k", "s", nil); !errors.Is(err, fault.Unavailable) {
		t.Errorf("Start after Shutdown = %v", err)
	}
}

func TestShutdownIsBounded(t *testing.T) {
	r := operation.NewRunner(newMemoryStore(), nil, nil)
	release := make(chan struct{})
	begin(t, r, func(context.Context, operation.Progress) (any, error) {
		<-release
		return nil, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown = %v", err)
	}
	close(release)
	if err := r.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRecoverFailsWhatAnEarlierDaemonLeft(t *testing.T) {
	store := newMemoryStore()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, op := range []operation.Operation{
		{ID: "left", State: operation.Running, CreatedAt: at, Stages: []operation.Stage{{Name: "s", State: operation.StageRunning}}},
		{ID: "done", State: operation.Succeeded, CreatedAt: at, EndedAt: at},
	} {
		if err := store.Save(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	r := operation.NewRunner(store, nil, nil)
	if err := r.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := r.Get(t.Context(), "left")
	if err != nil || left.State != operation.Failed || left.Code != string(fault.Unavailable) ||
		left.EndedAt.IsZero() || left.Stages[0].State != operation.StageFailed {
		t.Errorf("left = %+v, %v", left, err)
	}
	if done, err := r.Get(t.Context(), "done"); err != nil || done.State != operation.Succeeded || !done.EndedAt.Equal(at) {
		t.Errorf("done = %+v, %v", done, err)
	}
}

func TestAnEndThatCannotBeStoredIsStillTold(t *testing.T) {
	store := newMemoryStore()
	store.fail = func(op operation.Operation) error {
		if op.State.Ended() {
			return fault.New(fault.Unavailable, "disk full")
		}
		return nil
	}
	r := operation.NewRunner(store, nil, nil)
	op := begin(t, r, func(context.Context, operation.Progress) (any, error) { return 1, nil })
	if got := last(t, r, op.ID); got.State != operation.Succeeded {
		t.Errorf("watched = %+v", got)
	}
	if got, err := r.Get(t.Context(), op.ID); err != nil || got.State != operation.Succeeded {
		t.Errorf("Get = %+v, %v", got, err)
	}
	if n := r.Active(); n != 0 {
		t.Errorf("Active = %d", n)
	}
	if err := r.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnOperationThatCannotBeRecordedIsNotBegun(t *testing.T) {
	store := newMemoryStore()
	store.fail = func(operation.Operation) error { return fault.New(fault.Unavailable, "disk full") }
	r := operation.NewRunner(store, nil, nil)
	_, err := r.Start(t.Context(), "k", "s", func(context.Context, operation.Progress) (any, error) {
		t.Error("the work ran")
		return nil, nil
	})
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("Start = %v", err)
	}
	if err := r.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
