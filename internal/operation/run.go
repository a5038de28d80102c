package operation

import (
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// run does the work of one operation, records its progress, and concludes it.
func (r *Runner) run(ctx context.Context, t *task, work Work) {
	defer r.running.Done()
	defer close(t.done)
	defer t.cancel(nil)

	recording, stopRecording := context.WithCancel(context.WithoutCancel(ctx))
	recorded := make(chan struct{})
	go func() {
		defer close(recorded)
		t.follow(recording, saveInterval, func(op Operation) bool {
			if err := r.save(recording, op); err != nil {
				r.log.Warn("operation progress not stored", "operation", op.ID, "error", err)
			}
			if len(op.Stages) > 0 { // Start has told the rest
				r.tell(op)
			}
			return true
		})
	}()
	result, err := r.attempt(ctx, t, work)
	stopRecording()
	<-recorded

	final, _, _ := t.snapshot()
	conclude(&final, context.Cause(ctx), result, err, r.now())
	if final.Code == string(fault.Internal) {
		r.log.Error("operation ended with an internal error", "operation", final.ID, "kind", final.Kind, "error", fault.Clip(err.Error()))
	}
	saved := r.save(ctx, final)
	t.update(true, func(op *Operation) { *op = final })
	r.tell(final)
	if saved != nil {
		// It stays in memory, so that whoever asks learns how it ended.
		r.log.Error("end of operation not stored", "operation", final.ID, "error", saved)
		return
	}
	r.forget(final.ID)
	r.prune(ctx)
}

// attempt runs the work and turns a panic into an Internal fault.
func (r *Runner) attempt(ctx context.Context, t *task, work Work) (result json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic in an operation", "operation", t.id, "panic", p, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "a bug in banger ended this: %v", p).
				Try(act.DaemonLogs.Do())
		}
	}()
	value, err := work(ctx, t)
	if err != nil {
		return nil, err
	}
	result, err = json.Marshal(value)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "encode the result")
	}
	return result, nil
}

// conclude sets how an operation ended. Work that succeeded although it was
// cancelled has succeeded.
func conclude(op *Operation, cause error, result json.RawMessage, err error, now time.Time) {
	op.EndedAt = now
	if err == nil {
		op.State, op.Result = Succeeded, result
		op.endStage(StageDone, now)
		return
	}
	op.endStage(StageFailed, now)
	switch {
	case errors.Is(cause, ErrShutdown):
		op.interrupted(ErrShutdown.Error())
	case errors.Is(cause, context.Canceled):
		op.State, op.Code, op.Message = Canceled, string(fault.Canceled), "canceled"
		if fault.CodeOf(err) != fault.Canceled {
			op.Message = "canceled: " + err.Error()
		}
	default:
		op.State, op.Code = Failed, string(fault.CodeOf(err))
		op.Message, op.Hint = err.Error(), fault.HintOf(err)
	}
	op.Message, op.Hint = fault.Clip(op.Message), op.Hint.Clip()
}

// interrupted marks an operation that a daemon's end cut short.
func (o *Operation) interrupted(why string) {
	o.State, o.Code, o.Message = Failed, string(fault.Unavailable), why
	o.Hint = fault.Hintf("run the command again")
}
