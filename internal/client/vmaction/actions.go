package vmaction

import (
	"context"
	"slices"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
)

// All returns every action, in the order of menus.
func All() []Action { return slices.Concat(lifecycle(), ends(), changes(), asking()) }

// atOnce is what is done when the daemon answers.
func atOnce(_ api.VM, err error) (api.Operation, error) { return api.Operation{}, err }

func off() []string { return []string{api.VMStopped, api.VMFailed} }

func lifecycle() []Action {
	return []Action{
		{
			ID: "start", Label: "Start", Did: "starting", Verb: act.VMStart, states: off(),
			run: func(ctx context.Context, a API, v *api.VM) (api.Operation, error) {
				return a.StartVM(ctx, v.ID, api.StartVM{})
			},
		},
		{
			ID: "resume", Label: "Resume", Did: "resumed", Verb: act.VMResume, states: []string{api.VMPaused, api.VMSuspended},
			run: func(ctx context.Context, a API, v *api.VM) (api.Operation, error) {
				return atOnce(a.ResumeVM(ctx, v.ID))
			},
		},
		{
			ID: "pause", Label: "Pause", Did: "paused", Verb: act.VMPause, states: []string{api.VMRunning},
			run: func(ctx context.Context, a API, v *api.VM) (api.Operation, error) {
				return atOnce(a.PauseVM(ctx, v.ID))
			},
		},
	}
}

// ends are the actions that end what runs, or destroy.
func ends() []Action {
	return []Action{
		{
			ID: "stop", Label: "Stop", Did: "stopping", Verb: act.VMStop, states: []string{api.VMRunning, api.VMPaused, api.VMSuspended}, losses: endsSessions,
			run: func(ctx context.Context, a API, v *api.VM) (api.Operation, error) {
				return a.StopVM(ctx, v.ID, api.StopVM{})
			},
		},
		{
			ID: "restart", Label: "Restart", Did: "restarting", Verb: act.VMRestart, states: []string{api.VMRunning}, losses: endsSessions,
			run: func(ctx context.Context, a API, v *api.VM) (api.Operation, error) {
				return a.RestartVM(ctx, v.ID, api.RestartVM{})
			},
		},
		{
			ID: "kill", Label: "Kill", Did: "killed", Verb: act.VMKill, states: []string{api.VMStarting, api.VMRunning, api.VMPaused, api.VMStopping},
			losses: killLosses,
			run: func(ctx context.Context, a API, v *api.VM) (api.Operation, error) {
				return atOnce(a.KillVM(ctx, v.ID, api.KillVM{}))
			},
		},
		{
			ID: "reset", Label: "Reset", Did: "resetting", Verb: act.VMReset, states: append(off(), api.VMRunning, api.VMPaused), Irreversible: true,
			losses: resetLosses, work: workInSystem,
			run: func(ctx context.Context, a API, v *api.VM) (api.Operation, error) {
				return a.ResetVM(ctx, v.ID, workInSystem(v) != "")
			},
		},
		{
			ID: "delete", Label: "Delete", Did: "deleting", Verb: act.VMDelete, Irreversible: true, losses: deleteLosses, work: UnexportedWork,
			refusal: func(v *api.VM) string { return when(v.Protected, "it is protected") },
			options: func(v *api.VM) []act.Option {
				if status.Alive(v.State) {
					return []act.Option{act.Force}
				}
				return nil
			},
			run: func(ctx context.Context, a API, v *api.VM) (api.Operation, error) {
				return a.DeleteVM(ctx, v.ID, api.DeleteVM{Force: status.Alive(v.State), DiscardWork: UnexportedWork(v) != ""})
			},
		},
	}
}

// changes change what a VM is.
func changes() []Action {
	protect := func(on bool) func(context.Context, API, *api.VM) (api.Operation, error) {
		return func(ctx context.Context, a API, v *api.VM) (api.Operation, error) {
			return atOnce(a.UpdateVM(ctx, v.ID, api.UpdateVM{Protected: &on}))
		}
	}
	return []Action{
		{
			ID: "protect", Label: "Protect", Did: "protected", Verb: act.VMProtect, run: protect(true),
			refusal: func(v *api.VM) string { return when(v.Protected, "it is protected already") },
		},
		{
			ID: "unprotect", Label: "Unprotect", Did: "unprotected", Verb: act.VMUnprotect, run: protect(false),
			refusal: func(v *api.VM) string { return when(!v.Protected, "it is not protected") },
		},
	}
}

// asking are the actions that need more words.
func asking() []Action {
	running := []string{api.VMRunning}
	return []Action{
		{ID: "rename", Label: "Rename…", Verb: act.VMRename},
		{ID: "set", Label: "Change…", Verb: act.VMSet},
		{ID: "commit", Label: "Commit…", Verb: act.VMCommit, states: off()},
		{ID: "exec", Label: "Run a command…", Verb: act.VMExec, states: running},
		{ID: "prepare", Label: "Copy a work tree to it…", Verb: act.WorkspacePrepare, states: running},
		{ID: "export", Label: "Export the workspace…", Verb: act.WorkspaceExport, states: running},
	}
}

func when(so bool, why string) string {
	if so {
		return why
	}
	return ""
}
