package server

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/workspace"
)

// listTime bounds how long a listing waits for a look at the workspaces of
// running VMs; showTime how long showing a workspace does. After that they are unknown.
const (
	listTime = 3 * time.Second
	showTime = 15 * time.Second // the default of lookAt
)

// lookAt names a VM, and says how long a look at its workspace may take.
type lookAt struct {
	Named
	Seconds int `query:"look" default:"15" minimum:"0" maximum:"15" doc:"seconds that a look at the workspace of a running VM may take: after that its state is unknown; 0: as it was last measured"`
}

// look bounds a look at workspaces. Without time, it does not look.
func (in *lookAt) look(look func(context.Context, vm.VM) error) (time.Duration, func(context.Context, vm.VM) error) {
	if in.Seconds == 0 {
		return 0, func(context.Context, vm.VM) error { return nil }
	}
	return time.Duration(in.Seconds) * time.Second, look
}

// maxExported bounds the files that an export names.
const maxExported = 10_000

// Workspaces moves git work trees into VMs and work out of them, and knows whether
// VMs have work that no export has.
type Workspaces interface {
	Check(ctx context.Context, req workspace.PrepareRequest) error
	Prepare(ctx context.Context, req workspace.PrepareRequest, p operation.Progress) (workspace.Prepared, error)
	Export(ctx context.Context, req workspace.ExportRequest, p operation.Progress) (workspace.Export, error)
	OpenExport(ctx context.Context, name, id string) (io.ReadCloser, int64, error)
	Accept(ctx context.Context, name, id string) error

	// Look looks at a running VM's workspace, if it has one; Refresh shares the
	// look with others who ask.
	Look(ctx context.Context, v vm.VM) error
	Refresh(ctx context.Context, v vm.VM) error
	All(ctx context.Context) (map[string]workspace.Workspace, error)
	Find(ctx context.Context, vmID string) (workspace.Workspace, bool, error)
}

func (s *Server) workspaceRoutes(a huma.API) {
	at := func(id, method, path, summary string, status int) route {
		return route{id: id, method: method, path: "/vms/{name}/workspace" + path, tag: "workspaces", summary: summary, status: status}
	}
	handle(s, a, at("prepare-workspace", http.MethodPost, "", "Copy a git work tree to a VM", http.StatusAccepted), s.prepareWorkspace)
	handle(s, a, at("get-workspace", http.MethodGet, "", "Show a VM's workspace", 0), s.getWorkspace)
	handle(s, a, at("export-workspace", http.MethodPost, "/exports", "Collect the work done in a VM", http.StatusAccepted), s.exportWorkspace)
	bytes := at("read-export", http.MethodGet, "/exports/{id}", "Read the last export", 0)
	bytes.describe = func(op *huma.Operation) {
		op.Responses = map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}},
		}}
	}
	handleStream(s, a, bytes, s.readExport)
	check := route{
		id: "check-workspace", method: http.MethodPost, path: "/workspaces/check", tag: "workspaces",
		summary: "Check whether a git work tree can be copied to a VM",
	}
	handleEmpty(s, a, check, s.checkWorkspace)
	accept := at("accept-export", http.MethodPost, "/exports/{id}/accept", "Confirm that the export is saved", 0)
	handleEmpty(s, a, accept, func(ctx context.Context, in *exportID) error { return s.Workspaces.Accept(ctx, in.Name, in.ID) })
}

type exportID struct {
	Named
	ID string `path:"id" maxLength:"64"`
}

func (s *Server) prepareWorkspace(ctx context.Context, in *vmRequest[api.PrepareWorkspace]) (api.Operation, error) {
	req, err := prepareRequest(in.Body)
	if err != nil {
		return api.Operation{}, err
	}
	v, err := s.known(ctx, in.Name)
	if err != nil {
		return api.Operation{}, err
	}
	req.VM = v.ID
	op, err := s.Operations.Start(ctx, "workspace.prepare", v.Name, func(ctx context.Context, p operation.Progress) (any, error) {
		sent, err := s.Workspaces.Prepare(ctx, req, p)
		if err != nil {
			return nil, err
		}
		body := workspaceBody(sent.Workspace, sent.VM)
		body.FilesSent, body.BytesSent, body.Notes = sent.Files, sent.Bytes, sent.Notes
		return body, nil
	})
	return operationBody(op), err
}

// prepareRequest is the request of a body, without the VM.
func prepareRequest(body api.PrepareWorkspace) (workspace.PrepareRequest, error) {
	mode, err := workspace.ParseMode(body.Mode)
	return workspace.PrepareRequest{Path: body.Path, Mode: mode, To: body.To, Branch: body.Branch, Force: body.Force}, err
}

type checkRequest struct{ Body api.PrepareWorkspace }

func (s *Server) checkWorkspace(ctx context.Context, in *checkRequest) error {
	req, err := prepareRequest(in.Body)
	if err != nil {
		return err
	}
	return s.Workspaces.Check(ctx, req)
}

func (s *Server) getWorkspace(ctx context.Context, in *Named) (api.Workspace, error) {
	v, err := s.known(ctx, in.Name)
	if err != nil {
		return api.Workspace{}, err
	}
	looking, cancel := context.WithTimeout(ctx, showTime)
	defer cancel()
	looked := s.Workspaces.Look(looking, v)
	w, found, err := s.Workspaces.Find(ctx, v.ID)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "no workspace was prepared in VM %s", v.Name).
			Try(act.WorkspacePrepare.On(v.Name))
	}
	return lookedAt(workspaceBody(w, v), looked), err
}

// lookedAt is a workspace after a look that may have failed: then nobody knows
// that there is no work in it.
func lookedAt(body api.Workspace, looked error) api.Workspace {
	if looked != nil && body.State == string(workspace.Clean) {
		body.State = string(workspace.Unknown)
	}
	return body
}

func (s *Server) exportWorkspace(ctx context.Context, in *vmRequest[api.ExportWorkspace]) (api.Operation, error) {
	format, err := workspace.ParseFormat(in.Body.Format)
	if err != nil {
		return api.Operation{}, err
	}
	v, err := s.known(ctx, in.Name)
	if err != nil {
		return api.Operation{}, err
	}
	req := workspace.ExportRequest{
		VM: v.ID, BaseCommit: in.Body.BaseCommit, Format: format, Path: in.Body.Path, Check: in.Body.Check, Apply: in.Body.Apply,
		Tree: in.Body.Tree,
	}
	op, err := s.Operations.Start(ctx, "workspace.export", v.Name, func(ctx context.Context, p operation.Progress) (any, error) {
		out, err := s.Workspaces.Export(ctx, req, p)
		if err != nil {
			return nil, err
		}
		return exportBody(out), nil
	})
	return operationBody(op), err
}

func (s *Server) readExport(ctx context.Context, in *exportID) (func(http.ResponseWriter, *http.Request), error) {
	file, size, err := s.Workspaces.OpenExport(ctx, in.Name, in.ID)
	if err != nil {
		return nil, err
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		defer func() { _ = file.Close() }()
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		w.WriteHeader(http.StatusOK)
		_, _ = io.Copy(w, file) // a client that gets too little sees that it does
	}, nil
}

// withWorkspaces adds to the bodies of VMs what is known of their workspaces,
// after a look at those that run.
func (s *Server) withWorkspaces(ctx context.Context, vms []vm.VM, bodies []api.VM, limit time.Duration, look func(context.Context, vm.VM) error) error {
	all, err := s.Workspaces.All(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	looking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var looks sync.WaitGroup
	looked := make([]error, len(vms))
	for i, v := range vms {
		if _, ok := all[v.ID]; ok {
			looks.Go(func() { looked[i] = look(looking, v) })
		}
	}
	looks.Wait()
	if all, err = s.Workspaces.All(ctx); err != nil {
		return err
	}
	for i, v := range vms {
		if w, ok := all[v.ID]; ok {
			body := lookedAt(workspaceBody(w, v), looked[i])
			bodies[i].Workspace = &body
		}
	}
	return nil
}

func workspaceBody(w workspace.Workspace, v vm.VM) api.Workspace {
	return api.Workspace{
		VM: v.Name, Path: w.Path, Source: w.Source, Mode: string(w.Mode), Branch: strings.TrimPrefix(w.Branch, "refs/heads/"),
		HeadCommit: w.HeadCommit, BaseTree: w.BaseTree, PreparedAt: w.PreparedAt.UTC(), ExportedAt: when(w.ExportedAt),
		State: string(workspace.Know(w, v)), Files: w.Work.Files, MeasuredAt: when(w.Work.MeasuredAt),
		Elsewhere: texts(w.Work.Elsewhere.Branches), Stashes: texts(w.Work.Elsewhere.Stashes), WorkTrees: texts(w.Work.Elsewhere.WorkTrees),
		Unread: w.Work.Elsewhere.Unread,
	}
}

func exportBody(e workspace.Export) api.Export {
	body := api.Export{
		ID: e.ID, BaseCommit: e.BaseCommit, Tree: e.Tree, Format: string(e.Format), Bytes: e.Bytes,
		Files: make([]api.ExportedFile, 0, min(len(e.Files), maxExported)), FileCount: len(e.Files), Insertions: e.Changes.Insertions, Deletions: e.Changes.Deletions,
		Notes: texts(e.Notes), Checked: e.Checked, Conflicts: texts(e.Conflicts), Applied: e.Applied, Already: e.Already,
	}
	for _, f := range e.Files[:min(len(e.Files), maxExported)] {
		out := api.ExportedFile{
			Path: strings.ToValidUTF8(f.Path, "\uFFFD"), From: strings.ToValidUTF8(f.From, "\uFFFD"), Status: f.Status,
			Mode: f.Mode, OldMode: f.OldMode, Insertions: f.Insertions, Deletions: f.Deletions, Binary: f.Binary,
		}
		if !utf8.ValidString(f.Path) {
			out.PathBase64 = []byte(f.Path)
		}
		body.Files = append(body.Files, out)
	}
	return body
}
