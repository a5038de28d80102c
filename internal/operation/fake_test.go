package operation_test

import (
	"context"
	"slices"
	"sync"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// memoryStore is an operation.Store in memory.
type memoryStore struct {
	mu    sync.Mutex
	ops   map[string]operation.Operation
	saves int
	fail  func(operation.Operation) error
}

func newMemoryStore() *memoryStore {
	return &memoryStore{ops: map[string]operation.Operation{}}
}

func (s *memoryStore) Save(_ context.Context, op operation.Operation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(op); err != nil {
			return err
		}
	}
	s.saves++
	s.ops[op.ID] = op
	return nil
}

func (s *memoryStore) Get(_ context.Context, id string) (operation.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op, ok := s.ops[id]
	if !ok {
		return op, fault.New(fault.NotFound, "no operation with the id %q", id)
	}
	return op, nil
}

func (s *memoryStore) List(context.Context) ([]operation.Operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ops []operation.Operation
	for _, op := range s.ops {
		ops = append(ops, op)
	}
	slices.SortFunc(ops, func(a, b operation.Operation) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		return -compare(a.ID, b.ID)
	})
	return ops, nil
}

func (s *memoryStore) Prune(ctx context.Context, keep int) error {
	ops, err := s.List(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range ops {
		if op.EndedAt.IsZero() {
			continue
		}
		if keep--; keep < 0 {
			delete(s.ops, op.ID)
		}
	}
	return nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}
