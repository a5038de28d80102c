package daemon

import (
	"context"
	"os"
	"strconv"

	"github.com/bangervm/banger/internal/hostfiles"
	"github.com/bangervm/banger/internal/vm"
)

// placedFiles reads, at each start of a VM, the files that the configuration names.
func (s *settings) placedFiles(ctx context.Context) ([]vm.File, []string) {
	placed := s.of(ctx).Placed()
	if len(placed) == 0 {
		return nil, nil
	}
	sources := make([]hostfiles.Source, 0, len(placed))
	for _, f := range placed {
		mode, _ := strconv.ParseUint(f.Mode, 8, 32) // empty: as on the host; else config has checked it
		sources = append(sources, hostfiles.Source{Host: f.Host, Guest: f.Guest, Mode: uint32(mode)})
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, []string{err.Error()}
	}
	return hostfiles.Read(ctx, home, sources)
}
