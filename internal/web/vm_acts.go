package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// button is something that a page's button does.
type button struct {
	Do      string // the form's value
	Word    string // on the button
	Command string // the same at the command line
	Why     string // why it cannot be done now; empty: it can
	Danger  bool
	Page    string // it has a page of its own, which says what is lost
}

// verb is how the console does an act on a VM.
type verb struct {
	do, word, did string
	command       act.Act
	states        []string // in which it can be done
	why           string   // it cannot be done in the others, because
	danger        bool
	page          string // a page below the VM's
	run           func(ctx context.Context, api API, name string) error
}

// operated is a verb that is an operation.
func operated(begin func(ctx context.Context, api API, name string) (api.Operation, error)) func(context.Context, API, string) error {
	return func(ctx context.Context, api API, name string) error {
		_, err := begin(ctx, api, name)
		return err
	}
}

// short is a verb that is done when it returns.
func short(do func(ctx context.Context, api API, name string) (api.VM, error)) func(context.Context, API, string) error {
	return func(ctx context.Context, api API, name string) error {
		_, err := do(ctx, api, name)
		return err
	}
}

// verbs are in the order in which menus show them.
func verbs(name string) []verb {
	alive := []string{api.VMStarting, api.VMRunning, api.VMPaused, api.VMStopping}
	off := []string{api.VMStopped, api.VMFailed}
	return []verb{
		{
			do: "start", word: "Start", did: "Starting", command: act.VMStart.On(name), states: off, why: "It is not stopped",
			run: operated(func(ctx context.Context, a API, n string) (api.Operation, error) {
				return a.StartVM(ctx, n, api.StartVM{})
			}),
		},
		{
			do: "resume", word: "Resume", did: "Resumed", command: act.VMResume.On(name), states: []string{api.VMPaused}, why: "It is not paused",
			run: short(func(ctx context.Context, a API, n string) (api.VM, error) { return a.ResumeVM(ctx, n) }),
		},
		{
			do: "pause", word: "Pause", did: "Paused", command: act.VMPause.On(name), states: []string{api.VMRunning}, why: "It is not running",
			run: short(func(ctx context.Context, a API, n string) (api.VM, error) { return a.PauseVM(ctx, n) }),
		},
		{
			do: "stop", word: "Stop", did: "Stopping", command: act.VMStop.On(name), states: []string{api.VMRunning, api.VMPaused}, why: "It is not running",
			run: operated(func(ctx context.Context, a API, n string) (api.Operation, error) {
				return a.StopVM(ctx, n, api.StopVM{})
			}),
		},
		{
			do: "restart", word: "Restart", did: "Restarting", command: act.VMRestart.On(name), states: []string{api.VMRunning}, why: "It is not running",
			run: operated(func(ctx context.Context, a API, n string) (api.Operation, error) {
				return a.RestartVM(ctx, n, api.RestartVM{})
			}),
		},
		{
			do: "kill", word: "Kill", did: "Killed", command: act.VMKill.On(name), states: alive, why: "It is not running", danger: true,
			run: short(func(ctx context.Context, a API, n string) (api.VM, error) { return a.KillVM(ctx, n, api.KillVM{}) }),
		},
		{do: "delete", word: "Delete…", did: "Deleting", command: act.VMDelete.On(name), states: append(alive, off...), danger: true, page: "delete"},
	}
}

// actsFor are what can be done to a VM, the first that fits its state first.
func actsFor(v api.VM) []button {
	var can, cannot []button
	for _, verb := range verbs(v.Name) {
		a := button{Do: verb.do, Word: verb.word, Command: cmdline.Line(verb.command), Danger: verb.danger}
		if verb.page != "" {
			a.Page = vmPath(v.Name) + "/" + verb.page
		}
		if !slices.Contains(verb.states, v.State) {
			a.Why = verb.why
			cannot = append(cannot, a)
			continue
		}
		can = append(can, a)
	}
	return append(can, cannot...)
}

// perform does what a button says.
func (c *Console) perform(ctx context.Context, name, do string) error {
	for _, verb := range verbs(name) {
		if verb.do == do && verb.run != nil {
			return verb.run(ctx, c.api, name)
		}
	}
	return fault.New(fault.Invalid, "the console cannot do %q to a VM", do)
}

// did is what a page says once a button was pressed.
func did(do, what string) string {
	for _, verb := range verbs("") {
		if verb.do == do {
			return verb.did + " " + what
		}
	}
	return ""
}

func (c *Console) vmAct(w http.ResponseWriter, r *http.Request) {
	name, do := r.PathValue("name"), r.PostForm.Get("do")
	err := c.perform(r.Context(), name, do)
	path := vmPath(name)
	if from := r.PostForm.Get("from"); from != "" {
		path = ownPath(from)
	}
	c.done(w, r, path, did(do, name), err)
}
