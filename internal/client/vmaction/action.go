package vmaction

import (
	"context"
	"slices"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
)

// API is what the actions ask of the daemon; *client.Client has it.
type API interface {
	StartVM(ctx context.Context, name string, req api.StartVM) (api.Operation, error)
	StopVM(ctx context.Context, name string, req api.StopVM) (api.Operation, error)
	RestartVM(ctx context.Context, name string, req api.RestartVM) (api.Operation, error)
	ResetVM(ctx context.Context, name string, discardWork bool) (api.Operation, error)
	PauseVM(ctx context.Context, name string) (api.VM, error)
	ResumeVM(ctx context.Context, name string) (api.VM, error)
	KillVM(ctx context.Context, name string, req api.KillVM) (api.VM, error)
	UpdateVM(ctx context.Context, name string, req api.UpdateVM) (api.VM, error)
	DeleteVM(ctx context.Context, name string, req api.DeleteVM) (api.Operation, error)
}

// Action is something that can be done to a VM.
type Action struct {
	ID    string // such as "start"; unique
	Label string // of a button: "Start", and with an ellipsis where more is asked for
	Did   string // "starting" of what goes on in an operation, "paused" of what is done at once
	Verb  act.Named
	// Irreversible: what it destroys cannot be brought back by another action.
	Irreversible bool

	states  []string // in which it can be done; none: in all
	refusal func(v *api.VM) string
	losses  func(v *api.VM, sessions []api.Session) []string
	work    func(v *api.VM) string // that was not exported, and is discarded; empty: none is known
	options func(v *api.VM) []act.Option
	run     func(ctx context.Context, a API, v *api.VM) (api.Operation, error)
}

// Find returns the action with this ID.
func Find(id string) (Action, bool) {
	all := All()
	at := slices.IndexFunc(all, func(a Action) bool { return a.ID == id })
	if at < 0 {
		return Action{}, false
	}
	return all[at], true
}

// Refusal is why the action is not possible for v now, as in "it is running"; empty: it
// is possible.
func (a Action) Refusal(v *api.VM) string {
	if len(a.states) > 0 && !slices.Contains(a.states, v.State) {
		return "it is " + v.State
	}
	if a.refusal != nil {
		return a.refusal(v)
	}
	return ""
}

// Runs reports whether Run does it; else its user has to say more, at the command line.
func (a Action) Runs() bool { return a.run != nil }

// Confirms reports whether a door asks before it does the action.
func (a Action) Confirms() bool { return a.losses != nil }

// Losses are what the action destroys or ends in v, whose sessions are given.
func (a Action) Losses(v *api.VM, sessions []api.Session) []string {
	if a.losses == nil {
		return nil
	}
	return a.losses(v, sessions)
}

// DiscardsWork reports whether the action destroys work in v's workspace that was not
// exported.
func (a Action) DiscardsWork(v *api.VM) bool { return a.work != nil && a.work(v) != "" }

// On is the action on v, for a door to word.
func (a Action) On(v *api.VM) act.Act {
	var options []act.Option
	if a.options != nil {
		options = a.options(v)
	}
	if a.DiscardsWork(v) {
		options = append(options, act.DiscardWork)
	}
	return a.Verb.On(v.Name, options...)
}

// Run does it to v as it is given: work that came to its workspace since is not
// discarded. The operation is zero where it is done at once. What needs more words,
// as Runs says, must not be run.
func (a Action) Run(ctx context.Context, api API, v *api.VM) (api.Operation, error) {
	return a.run(ctx, api, v)
}
