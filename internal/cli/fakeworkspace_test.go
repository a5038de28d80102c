package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/bangervm/banger/internal/api"
)

const fakePatch = "diff --git a/hello b/hello\nnew file mode 100644\n"

// escapes is what a patch may have besides.
const escapes = "+\x1b]52;c;eA==\x07\x1b[8mhi\n"

// fakeWorkspace has work in it if it was prepared from a place called dirty.
func (d *fakeDaemon) fakeWorkspace(v api.VM) api.Workspace {
	w := api.Workspace{
		VM: v.Name, Path: "/root/repo", Source: "/src/project", Mode: "shallow", Branch: "main", HeadCommit: strings.Repeat("c", 40),
		BaseTree: strings.Repeat("b", 40), PreparedAt: fakeTime, State: "clean", Elsewhere: []string{}, MeasuredAt: &fakeTime,
	}
	if strings.Contains(d.requests(), "/dirty\"") {
		w.State, w.Files, w.Elsewhere, w.WorkTrees = "changed", 2, []string{"feature"}, []string{"wt"}
	}
	return w
}

func (d *fakeDaemon) workspaceRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/workspaces/check", func(w http.ResponseWriter, r *http.Request) {
		var req api.PrepareWorkspace
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			return
		}
		if strings.HasSuffix(req.Path, "/with-submodules") && req.Mode != "full_copy" {
			problem(w, http.StatusBadRequest, api.Problem{Code: "invalid", Message: req.Path + " has submodules", Hint: "--mode full_copy"})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /v1/vms/{name}/workspace", withVM(func(w http.ResponseWriter, r *http.Request, v api.VM) {
		var req api.PrepareWorkspace
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			return
		}
		if strings.HasSuffix(req.Path, "/no-repository") {
			answer(w, d.fail("workspace.prepare", api.Problem{Code: "invalid", Message: req.Path + " is not in a git work tree"}))
			return
		}
		out := d.fakeWorkspace(v)
		out.Source = req.Path
		if req.To != "" {
			out.Path = req.To
		}
		out.FilesSent, out.BytesSent, out.Notes = 3, 2<<20, []string{"the repository inner inside this one is not sent"}
		answer(w, d.begin("workspace.prepare", v.Name, out))
	}))
	mux.HandleFunc("GET /v1/vms/{name}/workspace", withVM(func(w http.ResponseWriter, _ *http.Request, v api.VM) {
		answer(w, d.fakeWorkspace(v))
	}))
	mux.HandleFunc("POST /v1/vms/{name}/workspace/exports", withVM(func(w http.ResponseWriter, r *http.Request, v api.VM) {
		var req api.ExportWorkspace
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			return
		}
		e := api.Export{
			ID: "e1", BaseCommit: strings.Repeat("b", 40), Format: "patch", Bytes: int64(len(fakePatch)), FileCount: 2, Insertions: 3, Deletions: 1,
			Files: []api.ExportedFile{{Path: "hello", Status: "added", Insertions: 3}, {Path: "new", From: "old", Status: "renamed", Deletions: 1}},
			Notes: []string{"feature in the guest has commits that are not in this export"}, Checked: req.Check || req.Apply, Applied: req.Apply,
		}
		if req.BaseCommit == "escapes" {
			e.ID, e.Bytes = "e2", int64(len(fakePatch+escapes))
		}
		if (req.Check || req.Apply) && req.BaseCommit == "conflicting" {
			e.Conflicts, e.Applied = []string{"hello"}, false
		}
		if req.Apply && req.BaseCommit == "applied-before" {
			e.Already, e.Applied = true, false
		}
		if req.BaseCommit == "short" {
			e.Bytes++
		}
		answer(w, d.begin("workspace.export", v.Name, e))
	}))
	mux.HandleFunc("GET /v1/vms/{name}/workspace/exports/{id}", withVM(func(w http.ResponseWriter, r *http.Request, _ api.VM) {
		_, _ = io.WriteString(w, fakePatch)
		if r.PathValue("id") == "e2" {
			_, _ = io.WriteString(w, escapes)
		}
	}))
	mux.HandleFunc("POST /v1/vms/{name}/workspace/exports/{id}/accept", withVM(func(w http.ResponseWriter, _ *http.Request, _ api.VM) {
		w.WriteHeader(http.StatusNoContent)
	}))
}
