package web_test

import (
	"net/http"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

func TestProcessesPage(t *testing.T) {
	b := open(t)
	wants(t, b.get("/vms/web/processes", http.StatusOK), "7UID 1000", "1 min", "3 MiB", "1rootsleeping0.0 s", "2 of 300 are shown")
	b.api.err = fault.New(fault.Conflict, "an older build").WithHint("restart it")
	wants(t, b.get("/vms/web/processes", http.StatusOK), "an older build. restart it")
	b.api.state = api.VMStopped
	wants(t, b.get("/vms/web/processes", http.StatusOK), "It is stopped.")
}
