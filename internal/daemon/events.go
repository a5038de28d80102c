package daemon

import (
	"github.com/bangervm/banger/internal/server"
	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/vm"
)

// epochBytes is how long the random name of this daemon's journal is.
const epochBytes = 4

// vmEvents has the sessions of a VM follow what becomes of it.
type vmEvents struct {
	*server.Feed
	sessions *session.Service
}

// VMChanged implements vm.Events.
func (e vmEvents) VMChanged(v vm.VM) {
	e.Feed.VMChanged(v)
	e.sessions.VMChanged(v)
}
