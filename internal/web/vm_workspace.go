package web

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

const (
	// operationParam names the export that a page of the workspace shows.
	operationParam = "op"
	// exportWait is how long a form waits for an export; then its page shows the stages.
	exportWait = 15 * time.Second
)

// workspaceView is the body of the section with the workspace.
type workspaceView struct {
	vmFrame
	Form      url.Values // of the work tree to prepare, as typed or picked
	Wrong     wrongs     // why it is not prepared
	Work      *api.Workspace
	Measured  age
	Op        string         // the operation of Export
	Merge     string         // the command for conflicts
	Operation *operationView // an export that runs, or failed
	Export    *api.Export
	Files     []fileView
	Commands  struct{ Prepare, Look, Export, Check, Apply string }
}

// Pending reports whether the export that is shown is not in the user's work tree yet, as far
// as it tells.
func (v workspaceView) Pending() bool {
	return v.Export != nil && !v.Export.Applied && !v.Export.Already
}

// AtOnce reports whether the changes are to be read when the page is opened: there are some,
// and the page shows none.
func (v workspaceView) AtOnce() bool {
	return v.Work != nil && v.Alive() && v.Work.State != api.WorkspaceClean && v.Export == nil && v.Operation == nil && !v.Wrong.Any()
}

// fileView is a changed file.
type fileView struct {
	Letter, Word, Path, From string
	Insertions, Deletions    int64
	Binary                   bool
	Diff                     string // the path of the page of its diff
}

func (c *Console) workspacePage(w http.ResponseWriter, r *http.Request) {
	c.showWorkspace(w, r, r.URL.Query(), wrongs{})
}

// showWorkspace shows the section with the form of a work tree to prepare filled in.
func (c *Console) showWorkspace(w http.ResponseWriter, r *http.Request, form url.Values, wrong wrongs) {
	c.inVM(w, r, "workspace", func(ctx context.Context, f vmFrame) (any, error) {
		view, err := c.workspaceOf(ctx, f, r.URL.Query().Get(operationParam))
		view.Wrong, view.Form = wrong, url.Values{"vm": {f.VM.Name}, "mode": {cmp.Or(form.Get("mode"), "shallow")}, "path": {form.Get("path")}, "to": {form.Get("to")}}
		view.Commands.Prepare = prepareCommand(view.Form, nil)
		return view, err
	})
}

func (c *Console) workspaceOf(ctx context.Context, f vmFrame, operation string) (workspaceView, error) {
	view := workspaceView{vmFrame: f}
	name := f.VM.Name
	export := []string{"vm", "workspace", "export", name}
	view.Commands.Look = cmdline.Typed(append(export, "--stat")...)
	view.Commands.Export = cmdline.Typed(append(export, "--output", name+".patch")...)
	view.Commands.Check = cmdline.Typed(append(export, "--check")...)
	view.Commands.Apply = cmdline.Typed(append(export, "--apply")...)
	view.Merge = cmdline.Typed(export...) + " | git apply --3way"
	if view.Work = f.VM.Workspace; view.Work != nil {
		view.Measured = ageOf(c.now(), view.Work.MeasuredAt)
	}
	if operation == "" {
		return view, nil
	}
	op, err := c.api.GetOperation(ctx, operation)
	if err != nil {
		return view, err
	}
	if op.State != api.OperationSucceeded {
		shown := viewOperation(op, c.now())
		view.Operation = &shown
		return view, nil
	}
	e, err := exportOf(op)
	if err != nil {
		return view, nil //nolint:nilerr // it is another operation, such as a prepare: it is over
	}
	view.Export, view.Op, view.Files = &e, op.ID, filesOf(f.Path(), op.ID, e)
	view.Commands.Apply = cmdline.Typed(append(export, "--apply", "--tree", e.Tree)...)
	return view, nil
}

// exportOf is the result of an operation that exported.
func exportOf(op api.Operation) (e api.Export, err error) {
	if err := json.Unmarshal(op.Result, &e); err != nil || op.Kind != "workspace.export" {
		return e, fault.New(fault.NotFound, "operation %s is no export", op.ID)
	}
	return e, nil
}

func filesOf(path, operation string, e api.Export) []fileView {
	files := make([]fileView, 0, len(e.Files))
	for i, file := range e.Files {
		query := url.Values{operationParam: {operation}, "file": {strconv.Itoa(i)}}
		files = append(files, fileView{
			Letter: cmp.Or(map[string]string{"added": "A", "deleted": "D", "renamed": "R", "copied": "C", "type_changed": "T"}[file.Status], "M"),
			Word:   file.Status, Path: file.Path, From: file.From,
			Insertions: file.Insertions, Deletions: file.Deletions, Binary: file.Binary,
			Diff: path + "/workspace/diff?" + query.Encode(),
		})
	}
	return files
}

// workspaceAct begins what a button of the section says, and waits for it a moment.
func (c *Console) workspaceAct(w http.ResponseWriter, r *http.Request) {
	name, form, path := r.PathValue("name"), r.PostForm, vmPath(r.PathValue("name"))+"/workspace"
	var op api.Operation
	var err error
	switch form.Get("do") {
	case "look":
		op, err = c.api.ExportWorkspace(r.Context(), name, api.ExportWorkspace{})
	case "check":
		op, err = c.api.ExportWorkspace(r.Context(), name, api.ExportWorkspace{Check: true})
	case "apply":
		op, err = c.api.ExportWorkspace(r.Context(), name, api.ExportWorkspace{Apply: true, Tree: form.Get("tree")})
	case "prepare":
		op, err = c.api.PrepareWorkspace(r.Context(), name, api.PrepareWorkspace{
			Path: form.Get("path"), Mode: form.Get("mode"), To: form.Get("to"), Branch: form.Get("branch"), Force: form.Get("force") == "yes",
		})
	default:
		err = fault.New(fault.Invalid, "the console cannot do %q to a workspace", form.Get("do"))
	}
	to := url.Values{operationParam: {op.ID}}
	if form.Get("do") == "prepare" {
		if err != nil {
			c.showWorkspace(w, r, form, wrongWith("path", "Work tree on this host", err))
			return
		}
		for _, field := range []string{"path", "to", "mode"} { // for another try, if it fails
			to.Set(field, form.Get(field))
		}
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), exportWait)
	defer cancel()
	_, _ = c.api.Wait(ctx, op.ID, nil) // the page shows how it went, and how far it is
	c.lead(w, r, path+"?"+to.Encode(), "")
}

// applyPage says what applying changes on this host.
func (c *Console) applyPage(w http.ResponseWriter, r *http.Request) {
	c.inVM(w, r, "apply", func(ctx context.Context, f vmFrame) (any, error) {
		view, err := c.workspaceOf(ctx, f, r.URL.Query().Get(operationParam))
		if err == nil && view.Work == nil {
			err = fault.New(fault.NotFound, "VM %s has no workspace", f.VM.Name)
		}
		return view, err
	})
}

// downloadExport sends the export that was looked at as a file. It then counts as exported.
func (c *Console) downloadExport(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	op, err := c.api.GetOperation(r.Context(), r.PostForm.Get(operationParam))
	if err != nil {
		c.fail(w, r, err)
		return
	}
	e, err := exportOf(op)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	data, err := c.api.ReadExport(r.Context(), name, e)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	defer func() { _ = data.Close() }()
	if !c.download(w, r, name+".patch", e.Bytes, data) {
		return
	}
	if err := c.api.AcceptExport(context.WithoutCancel(r.Context()), name, e.ID); err != nil {
		c.log.WarnContext(r.Context(), "a downloaded export does not count as exported", "vm", name, "error", err)
	}
}
