package workspace

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

const mayHave = "may have unexported work in "

// Unsaved says what would be lost with all of a VM's disk but the directories
// keep of the guest, as a predicate of the VM; empty: nothing. A running guest is
// looked at now.
func (s *Service) Unsaved(ctx context.Context, v vm.VM, keep []string) (string, error) {
	w, found, err := s.Find(ctx, v.ID)
	if err != nil || !found {
		return "", err
	}
	for _, dir := range keep {
		if strings.HasPrefix(w.Path, dir+"/") {
			return "", nil
		}
	}
	if v.State == vm.Running {
		if err := s.look(ctx, v, measureLimit, false, nil); errors.Is(err, fault.NotFound) {
			return mayHave + w.Path + ": it was moved or removed in the guest", nil
		} else if err != nil {
			return "", err
		}
		if w, _, err = s.Find(ctx, v.ID); err != nil {
			return "", err
		}
	}
	switch Know(w, v) {
	case Clean:
		return "", nil
	case Changed:
		return "has unexported work in " + w.Path + ": " + w.Work.describe(), nil
	default:
		return mayHave + w.Path + ": it was not checked before the VM " + past(v.State), nil
	}
}

// past says since when nothing is known.
func past(state vm.State) string {
	switch state {
	case vm.Paused:
		return "was paused"
	case vm.Suspended:
		return "was suspended"
	case vm.Starting:
		return "was started"
	case vm.Stopping:
		return "began to stop"
	default:
		return "stopped"
	}
}

// describe is a phrase for messages.
func (w Work) describe() string {
	var parts []string
	if n := w.Files; n == 1 {
		parts = append(parts, "changes in 1 file")
	} else if n > 1 {
		parts = append(parts, fmt.Sprintf("changes in %d files", n))
	}
	parts = append(parts, w.Elsewhere.describe()...)
	return strings.Join(parts, " and ")
}
