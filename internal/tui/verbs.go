package tui

import (
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// verb is something that can be done to a VM.
type verb struct {
	action string // that does it by one key; empty: in the menu only
	word   string
	did    string
	act    act.Named
	states []string // in which it can be done; none: in all
	why    string   // it cannot be done in the others
	// loses says what is lost. Nil: nothing, so that nobody is asked.
	loses func(m *Model, v *vmEntry) []string
	// run is nil where the command line asks for more.
	run func(ctx context.Context, a API, v *vmEntry) error
	// options are how it is done to v.
	options func(v *vmEntry) []act.Option
}

func alive(v *vmEntry) bool { return v.State != api.VMStopped && v.State != api.VMFailed }

// verbs are in the order of the menu.
func verbs() []verb { return slices.Concat(lifeVerbs(), endVerbs(), otherVerbs()) }

func lifeVerbs() []verb {
	return []verb{
		{
			action: ActStart, word: "Start", did: "starting", act: act.VMStart, states: []string{api.VMStopped, api.VMFailed}, why: "it is not stopped",
			run: func(ctx context.Context, a API, v *vmEntry) error { return second(a.StartVM(ctx, v.ID, api.StartVM{})) },
		},
		{
			action: ActPause, word: "Pause", did: "paused", act: act.VMPause, states: []string{api.VMRunning}, why: "it is not running",
			run: func(ctx context.Context, a API, v *vmEntry) error { return second(a.PauseVM(ctx, v.ID)) },
		},
		{
			action: ActPause, word: "Resume", did: "resumed", act: act.VMResume, states: []string{api.VMPaused}, why: "it is not paused",
			run: func(ctx context.Context, a API, v *vmEntry) error { return second(a.ResumeVM(ctx, v.ID)) },
		},
	}
}

func endVerbs() []verb {
	up := []string{api.VMStarting, api.VMRunning, api.VMPaused, api.VMStopping}
	return []verb{
		{
			action: ActStop, word: "Stop", did: "stopping", act: act.VMStop, states: []string{api.VMRunning, api.VMPaused}, why: "it is not running", loses: endsWith,
			run: func(ctx context.Context, a API, v *vmEntry) error { return second(a.StopVM(ctx, v.ID, api.StopVM{})) },
		},
		{
			word: "Restart", did: "restarting", act: act.VMRestart, states: []string{api.VMRunning}, why: "it is not running", loses: endsWith,
			run: func(ctx context.Context, a API, v *vmEntry) error {
				return second(a.RestartVM(ctx, v.ID, api.RestartVM{}))
			},
		},
		{
			word: "Kill", did: "killed", act: act.VMKill, states: up, why: "it is not running",
			loses: func(m *Model, v *vmEntry) []string {
				return append(endsWith(m, v), "what the guest has not written to its disk")
			},
			run: func(ctx context.Context, a API, v *vmEntry) error { return second(a.KillVM(ctx, v.ID, api.KillVM{})) },
		},
		{
			word: "Reset", did: "resetting", act: act.VMReset, states: []string{api.VMStopped, api.VMFailed}, why: "it is not stopped",
			loses: func(_ *Model, v *vmEntry) []string {
				return append(work(v), "everything that was written to its disk since it was created")
			},
			options: discarding,
			run: func(ctx context.Context, a API, v *vmEntry) error {
				return second(a.ResetVM(ctx, v.ID, len(work(v)) > 0))
			},
		},
		{
			action: ActDelete, word: "Delete", did: "deleting", act: act.VMDelete,
			loses: func(m *Model, v *vmEntry) []string {
				return append(append(work(v), endsWith(m, v)...), "its disk, of up to "+fault.Bytes(v.DiskBytes))
			},
			options: func(v *vmEntry) []act.Option {
				if alive(v) {
					return append([]act.Option{act.Force}, discarding(v)...)
				}
				return discarding(v)
			},
			run: func(ctx context.Context, a API, v *vmEntry) error {
				return second(a.DeleteVM(ctx, v.ID, api.DeleteVM{Force: alive(v), DiscardWork: len(work(v)) > 0}))
			},
		},
	}
}

// otherVerbs change what a VM is, or need more words.
func otherVerbs() []verb {
	off := []string{api.VMStopped, api.VMFailed}
	protect := func(on bool) func(context.Context, API, *vmEntry) error {
		return func(ctx context.Context, a API, v *vmEntry) error {
			return second(a.UpdateVM(ctx, v.ID, api.UpdateVM{Protected: &on}))
		}
	}
	return []verb{
		{word: "Protect", did: "protected", act: act.VMProtect, run: protect(true)},
		{word: "Unprotect", did: "unprotected", act: act.VMUnprotect, run: protect(false)},
		{word: "Rename…", act: act.VMRename},
		{word: "Change…", act: act.VMSet},
		{word: "Commit…", act: act.VMCommit, states: off, why: "it is not stopped"},
		{word: "Run a command…", act: act.VMExec, states: []string{api.VMRunning}, why: "it is not running"},
		{word: "Copy a work tree to it…", act: act.WorkspacePrepare, states: []string{api.VMRunning}, why: "it is not running"},
		{word: "Export the workspace…", act: act.WorkspaceExport, states: []string{api.VMRunning}, why: "it is not running"},
	}
}

func second[T any](_ T, err error) error { return err }

// endsWith is what ends with a VM that goes down.
func endsWith(m *Model, v *vmEntry) []string {
	running := 0
	for _, s := range m.world.sessionsOf(v.Name) {
		if s.State == api.SessionRunning {
			running++
		}
	}
	if running == 0 {
		return nil
	}
	return []string{fault.Count(running, "running session")}
}

// work is what the workspace has that was not exported.
func work(v *vmEntry) []string {
	w := v.Workspace
	switch {
	case w == nil, w.State == api.WorkspaceClean:
		return nil
	case w.State == api.WorkspaceUnknown:
		return []string{"changes in the workspace, which were not counted since it was last read"}
	default:
		return []string{fault.Count(w.Files, "changed file") + " in the workspace, not exported"}
	}
}

func discarding(v *vmEntry) []act.Option {
	if len(work(v)) > 0 {
		return []act.Option{act.DiscardWork}
	}
	return nil
}

// can reports whether the verb can be done to v now.
func (b verb) can(v *vmEntry) bool { return len(b.states) == 0 || slices.Contains(b.states, v.State) }

func (b verb) command(v *vmEntry) string {
	var options []act.Option
	if b.options != nil {
		options = b.options(v)
	}
	return typed(b.act.On(v.Name, options...))
}

// perform does a verb to VMs, and asks first where something is lost. VMs in another
// state are left out.
func (m *Model) perform(b verb, vms []*vmEntry) tea.Cmd {
	var those []*vmEntry
	for _, v := range vms {
		if b.can(v) {
			those = append(those, v)
		}
	}
	switch {
	case len(vms) == 0:
		return nil
	case len(those) == 0:
		m.say(toneBad, "cannot "+strings.ToLower(strings.TrimSuffix(b.word, "…"))+" "+line(vms[0].Name)+": "+b.why)
		return nil
	case b.run == nil:
		m.open(newCommand(m, strings.TrimPrefix(b.command(those[0]), "banger ")))
		return nil
	case b.loses != nil:
		m.open(newConfirm(m, b, those))
		return nil
	}
	return m.run(b, those)
}

// run does a verb without asking.
func (m *Model) run(b verb, vms []*vmEntry) tea.Cmd {
	m.list().marks = nil
	var all []tea.Cmd
	for _, v := range vms {
		meant := *v // as it is now: what comes later was not confirmed
		all = append(all, do(m, b.did+" "+v.Name, b.command(v), func(ctx context.Context, a API) error { return b.run(ctx, a, &meant) }))
	}
	return tea.Batch(all...)
}
