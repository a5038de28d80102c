package flatten_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/oci/flatten"
)

func links(n int, target string) layer {
	var l layer
	for i := range n {
		l = append(l, hard(fmt.Sprintf("z%d", i), target))
	}
	return l
}

// chain is links k0, k1… in a deep directory, each to the one before.
func chain(dir string, n int) layer {
	l := layer{sym(dir+"k0", "/")}
	for i := range n {
		l = append(l, sym(fmt.Sprintf("%sk%d", dir, i+1), fmt.Sprintf("/%sk%d", dir, i)))
	}
	return l
}

func many(prefix string, n int) layer {
	var l layer
	for i := range n {
		l = append(l, reg(fmt.Sprintf("%s%d", prefix, i), ""))
	}
	return l
}

// TestStormsThatAreCheap: a great many harmless entries stay within the default
// limits.
func TestStormsThatAreCheap(t *testing.T) {
	for name, once := range map[string]layer{
		"whiteouts":              {reg(".wh.a", "")},
		"opaque directories":     {reg("d/.wh..wh..opq", "")},
		"the same file":          {reg("a", "x")},
		"files over directories": {dir("a"), reg("a", "")},
		"hard links":             {reg("b", ""), hard("a", "b")},
	} {
		t.Run(name, func(t *testing.T) {
			if err := mergeWithin(t.Context(), flatten.Limits{}, []io.Reader{repeated(once.unended(t), 20_000)}); err != nil {
				t.Error(err)
			}
		})
	}
}

// countdown is a context that is cancelled when it has been looked at so often.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestOneEntryCanBeCancelled: the work for a single entry is interrupted too.
func TestOneEntryCanBeCancelled(t *testing.T) {
	deep := strings.Repeat("d/", 1000)
	lower, err := chain(deep, 200).tar()
	if err != nil {
		t.Fatal(err)
	}
	upper, err := layer{reg(deep+"k200/.wh.x", "")}.tar()
	if err != nil {
		t.Fatal(err)
	}
	budget := flatten.NewBudget(flatten.Limits{})
	tree := flatten.NewTree(budget, flatten.Rules{})
	for i, raw := range [][]byte{lower, upper} {
		index, err := flatten.ReadIndex(t.Context(), bytes.NewReader(raw), noSide{}, budget)
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		if i == 1 {
			ctx = &countdown{Context: ctx, left: 3}
		}
		err = tree.Apply(ctx, i, index)
		if i == 1 && !errors.Is(err, context.Canceled) {
			t.Errorf("the upper layer: %v, want context.Canceled", err)
		}
		if i == 0 && err != nil {
			t.Fatal(err)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func mergeWithin(ctx context.Context, limits flatten.Limits, layers []io.Reader) error {
	budget := flatten.NewBudget(limits)
	tree := flatten.NewTree(budget, flatten.Rules{})
	for i, r := range layers {
		index, err := flatten.ReadIndex(ctx, r, noSide{}, budget)
		if err != nil {
			return err
		}
		if err := tree.Apply(ctx, i, index); err != nil {
			return err
		}
	}
	return tree.WriteTo(ctx, io.Discard, sized{}, func(int64, int64) {})
}

// sized gives each file as many zeros as it has.
type sized struct{}

func (sized) Open(_ int, _ bool, _, size int64) io.Reader { return io.LimitReader(zeros{}, size) }
