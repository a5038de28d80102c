package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// processTime is how long the page waits for the guest to list its processes.
const processTime = 5 * time.Second

// processesView is the body of the section with what runs in the guest.
type processesView struct {
	vmFrame
	Rows  []processView
	Total int
	Why   string // why there are none
}

// processView is a process, by the guest's word.
type processView struct {
	PID, User, State, Name, Command, Took, Memory string
}

func (c *Console) processesPage(w http.ResponseWriter, r *http.Request) {
	c.inVM(w, r, "processes", func(ctx context.Context, f vmFrame) (any, error) {
		view := processesView{vmFrame: f}
		if !f.Alive() {
			view.Why = "It is " + f.VM.State + "."
			return view, nil
		}
		ctx, cancel := context.WithTimeout(ctx, processTime)
		defer cancel()
		list, err := c.api.VMProcesses(ctx, f.VM.Name)
		if err != nil {
			p := problemOf(err)
			view.Why = strings.TrimSpace(p.Message + ". " + p.Hint)
			return view, nil
		}
		view.Total = list.Total
		for _, p := range list.Items {
			view.Rows = append(view.Rows, viewProcess(p))
		}
		return view, nil
	})
}

func viewProcess(p api.Process) processView {
	v := processView{
		PID: strconv.Itoa(p.PID), User: "UID " + strconv.FormatUint(uint64(p.UID), 10), State: stateOfProcess(p.State),
		Name: plain.Line(p.Process, maxCell), Command: plain.Line(p.Command, maxCell), Memory: fault.Bytes(p.MemoryBytes),
		Took: fmt.Sprintf("%.1f s", p.CPUSeconds),
	}
	if took := time.Duration(p.CPUSeconds * float64(time.Second)); took >= time.Minute {
		v.Took = status.Span(took)
	}
	if p.UID == 0 {
		v.User = "root"
	}
	return v
}

// stateOfProcess words the letter that proc(5) has for a state.
func stateOfProcess(letter string) string {
	words := map[string]string{
		"R": "running", "S": "sleeping", "I": "idle", "D": "waiting for I/O", "T": "stopped", "t": "traced", "Z": "ended, not reaped", "X": "ended",
	}
	return cmp.Or(words[letter], plain.Line(letter, 1))
}
