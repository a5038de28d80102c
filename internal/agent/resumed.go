package agent

import (
	"github.com/bangervm/banger/internal/agent/configure"
	"github.com/bangervm/banger/internal/agentrpc"
)

// wake is what a guest whose machine was suspended makes good, before it says that it is ready.
type wake struct {
	entropy func(seed []byte) error
	clock   func(unixNano int64) error
}

func realWake() wake { return wake{configure.AddEntropy, configure.SetClock} }

// resumed confirms a generation, once the guest's randomness and clock are that one's. The clock
// comes first: what is woken by fresh randomness sees the right time.
func (a *agent) resumed(r *agentrpc.Resumed) {
	if !a.ready.Load() {
		return // it waits for Configure
	}
	if stage, err := a.comeBack(r); err != nil {
		a.log.Error("go on after a suspension", "stage", stage, "err", err)
		a.ctl.send(agentrpc.GuestMessage{Failed: &agentrpc.Failed{Stage: stage, Message: err.Error()}})
		return
	}
	a.entered.Store(0)
	a.sendReady()
}

func (a *agent) comeBack(r *agentrpc.Resumed) (stage string, err error) {
	if err := a.wake.clock(r.UnixNano); err != nil {
		return "clock", err
	}
	if err := a.wake.entropy(r.Entropy); err != nil {
		return "entropy", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.saved.Generation = r.Generation
	return "generation", save(a.state, a.saved)
}
