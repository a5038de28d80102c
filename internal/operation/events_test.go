package operation_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/operation"
)

// told is an operation.Events that notes what it hears, and whether that is stored.
type told struct {
	store *memoryStore
	mu    sync.Mutex
	all   []string
}

func (l *told) OperationChanged(op operation.Operation) {
	stage := ""
	if n := len(op.Stages); n > 0 {
		stage = " " + op.Stages[n-1].Name
	}
	stored, err := l.store.Get(context.Background(), op.ID)
	if err != nil || stored.State != op.State || len(stored.Stages) != len(op.Stages) {
		stage += " too early"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(op.State)+stage)
}

func TestEventsOfOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemoryStore()
		l := &told{store: store}
		r := operation.NewRunner(store, nil, nil)
		r.Tell(l)
		op := begin(t, r, func(_ context.Context, p operation.Progress) (any, error) {
			for i := range 3 {
				p.Stage(fmt.Sprint("s", i))
				synctest.Wait()
			}
			for n := range 3000 { // 3 s of progress
				p.Count(int64(n), 3000, "bytes")
				time.Sleep(time.Millisecond) //nolint:forbidigo // the clock of the bubble
			}
			return nil, nil
		})
		last(t, r, op.ID)
		if err := r.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(l.all, "; ")
		if !strings.HasPrefix(text, "running; running s0; running s1; running s2; ") || !strings.HasSuffix(text, "; succeeded s2") || strings.Contains(text, "early") {
			t.Errorf("got %s", text)
		}
		if len(l.all) > 10 {
			t.Errorf("%d events in 3 s", len(l.all))
		}
	})
}
