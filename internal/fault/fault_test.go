package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func TestCodeSurvivesWrapping(t *testing.T) {
	err := fmt.Errorf("start vm: %w", fault.New(fault.NotFound, "no VM named %q", "x").WithHint("banger vm list"))
	if !errors.Is(err, fault.NotFound) {
		t.Errorf("errors.Is(%v, NotFound) = false", err)
	}
	if errors.Is(err, fault.Conflict) {
		t.Errorf("errors.Is(%v, Conflict) = true", err)
	}
	if got := fault.CodeOf(err); got != fault.NotFound {
		t.Errorf("CodeOf = %q", got)
	}
	if got := fault.HintOf(err).String(); got != "banger vm list" {
		t.Errorf("HintOf = %q", got)
	}
}

func TestHintOfReachesTheCause(t *testing.T) {
	inner := fault.New(fault.Unavailable, "disk full").WithHint("banger system prune")
	outer := fault.Wrap(fault.Internal, inner, "pull")
	if got := fault.HintOf(outer).String(); got != "banger system prune" {
		t.Errorf("HintOf = %q", got)
	}
	if got := outer.Error(); got != "pull: disk full" {
		t.Errorf("Error() = %q", got)
	}
}

func TestCodeOfForeignErrors(t *testing.T) {
	if got := fault.CodeOf(fmt.Errorf("x: %w", context.Canceled)); got != fault.Canceled {
		t.Errorf("CodeOf(canceled) = %q", got)
	}
	if got := fault.CodeOf(errors.New("x")); got != fault.Internal {
		t.Errorf("CodeOf(plain) = %q", got)
	}
}
