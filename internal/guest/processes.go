package guest

import (
	"context"
	"errors"
	"net/http"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// maxProcesses bounds an answer with processes, in bytes.
const maxProcesses = 512 << 10

// Processes are those of the guest, by its own word: bounded, printable, and they could be
// true. The error is NotFound where the agent is of a build that does not tell.
func (c Client) Processes(ctx context.Context) (agentrpc.Processes, error) {
	list, err := ask[agentrpc.Processes](ctx, c, http.MethodGet, agentrpc.PathProcesses, nil, maxProcesses)
	if errors.Is(err, errOlder404) {
		err = fault.Wrap(fault.NotFound, err, "no processes")
	}
	if err != nil {
		return agentrpc.Processes{}, err
	}
	if list.Total < len(list.Processes) {
		return agentrpc.Processes{}, malformed("%d processes of %d", len(list.Processes), list.Total)
	}
	for i := range list.Processes {
		p := &list.Processes[i]
		if p.PID <= 0 || p.Parent < 0 || p.MemoryBytes < 0 || p.CPUSeconds < 0 || p.CPUSeconds > maxCPUSeconds {
			return agentrpc.Processes{}, malformed("a process has PID %d, parent %d, %d bytes and %g s", p.PID, p.Parent, p.MemoryBytes, p.CPUSeconds)
		}
		p.Process, p.Command, p.State = plain.Line(p.Process, maxWord), plain.Line(p.Command, maxCommand), plain.Line(p.State, 1)
	}
	return list, nil
}
