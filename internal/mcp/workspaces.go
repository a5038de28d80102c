package mcp

import (
	"context"
	"io"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

const (
	maxPatch = 1 << 20
	// maxFiles bounds the changed files that are listed.
	maxFiles = 500
)

type prepareArgs struct {
	VM     string `json:"vm" jsonschema:"name or ID prefix"`
	Path   string `json:"path" jsonschema:"absolute path in a git work tree on the host"`
	Mode   string `json:"mode,omitempty" jsonschema:"shallow: the current commit; full_copy: all refs and submodules"`
	To     string `json:"to,omitempty" jsonschema:"absolute path in the VM; default /root/repo"`
	Branch string `json:"branch,omitempty" jsonschema:"branch to check out; default: the current one"`
	Force  bool   `json:"force,omitempty" jsonschema:"replace an existing workspace and its unexported changes"`
}

type prepareResult struct {
	Path       string   `json:"path" jsonschema:"work tree in the VM"`
	Mode       string   `json:"mode"`
	Branch     string   `json:"branch,omitempty"`
	HeadCommit string   `json:"head_commit,omitempty" jsonschema:"copied commit"`
	BaseTree   string   `json:"base_tree" jsonschema:"copied tree, with uncommitted changes"`
	Files      int64    `json:"files_sent"`
	Bytes      int64    `json:"bytes_sent"`
	Notes      []string `json:"notes,omitempty"`
}

type exportArgs struct {
	VM         string `json:"vm" jsonschema:"name or ID prefix"`
	BaseCommit string `json:"base_commit,omitempty" jsonschema:"commit or tree to compare with; default: the copied tree"`
	Format     string `json:"format,omitempty" jsonschema:"patch: one diff; mbox: one mail per commit; bundle: a git bundle"`
	Path       string `json:"path,omitempty" jsonschema:"work tree in the VM; default: the workspace"`
	Output     string `json:"output_path,omitempty" jsonschema:"write the export to this new file on the host (absolute path) instead of content"`
	Limit      int    `json:"content_limit_bytes,omitempty" jsonschema:"omit content if it is larger"`
	Check      bool   `json:"check,omitempty" jsonschema:"check whether it applies to the host's work tree"`
}

type exportResult struct {
	BaseCommit string         `json:"base_commit" jsonschema:"base commit or tree"`
	Files      []exportedFile `json:"files" jsonschema:"the first 500"`
	FileCount  int            `json:"file_count"`
	Insertions int64          `json:"insertions"`
	Deletions  int64          `json:"deletions"`
	Bytes      int64          `json:"bytes" jsonschema:"export size"`
	Encoding   string         `json:"encoding,omitempty" jsonschema:"text or base64"`
	Content    string         `json:"content,omitempty" jsonschema:"the export, for git apply"`
	Omitted    bool           `json:"content_omitted,omitempty" jsonschema:"too large: call again with output_path; not counted as exported"`
	Output     string         `json:"output_path,omitempty"`
	Applies    *bool          `json:"applies,omitempty" jsonschema:"with check: it applies to the host's work tree"`
	Already    bool           `json:"already_applied,omitempty" jsonschema:"with check: already applied"`
	Conflicts  []string       `json:"conflicts,omitempty" jsonschema:"with check: conflicting files"`
	Notes      []string       `json:"notes,omitempty"`
}

type exportedFile struct {
	Path   string `json:"path"`
	From   string `json:"from,omitempty" jsonschema:"old path"`
	Status string `json:"status" jsonschema:"added, modified, deleted, renamed, copied or type_changed"`
	Binary bool   `json:"binary,omitempty"`
	Mode   string `json:"mode,omitempty" jsonschema:"git file mode"`
}

func (s *Server) addWorkspaceTools() {
	addTool(s, spec{
		name: "workspace_prepare", title: "Copy a git work tree to a VM",
		description: "Copy a git work tree from the host to a running VM, with uncommitted and untracked files but without ignored ones. The image needs no git.",
		effect:      effect{destructive: true},
		bounds: bounds{
			"vm": vmName(), "path": absolutePath(), "mode": {oneOf("shallow", "full_copy"), fallback(`"shallow"`)},
			"to": {length(1, 1024), matching("^/")}, "branch": {length(1, 255)},
		},
	}, s.prepare)
	addTool(s, spec{
		name: "workspace_export", title: "Export changes from a VM",
		description: "Export all changes in a VM's workspace, committed or not, as a patch. Changes nothing in the VM or in the host's work tree.",
		effect:      effect{idempotent: true},
		bounds: bounds{
			"vm": vmName(), "base_commit": {length(4, 64), matching("^[0-9a-fA-F]+$")}, "path": {length(1, 1024), matching("^/")},
			"format": {oneOf("patch", "mbox", "bundle"), fallback(`"patch"`)}, "output_path": absolutePath(),
			"content_limit_bytes": {between(0, maxPatch), fallback("65536")},
		},
	}, s.export)
}

func (s *Server) prepare(ctx context.Context, req *sdk.CallToolRequest, args prepareArgs) (prepareResult, error) {
	op, err := s.follow(ctx, req, func(ctx context.Context) (api.Operation, error) {
		return s.daemon.Workspaces.PrepareWorkspace(ctx, args.VM, api.PrepareWorkspace{
			Path: args.Path, Mode: args.Mode, To: args.To, Branch: args.Branch, Force: args.Force,
		})
	})
	if err != nil {
		return prepareResult{}, err
	}
	w, err := client.Result[api.Workspace](op)
	return prepareResult{
		Path: w.Path, Mode: w.Mode, Branch: w.Branch, HeadCommit: w.HeadCommit, BaseTree: w.BaseTree,
		Files: w.FilesSent, Bytes: w.BytesSent, Notes: w.Notes,
	}, err
}

func (s *Server) export(ctx context.Context, req *sdk.CallToolRequest, args exportArgs) (exportResult, error) {
	if args.Output != "" {
		if err := absent(args.Output); err != nil {
			return exportResult{}, err
		}
	}
	op, err := s.follow(ctx, req, func(ctx context.Context) (api.Operation, error) {
		return s.daemon.Workspaces.ExportWorkspace(ctx, args.VM, api.ExportWorkspace{
			BaseCommit: args.BaseCommit, Format: args.Format, Path: args.Path, Check: args.Check,
		})
	})
	if err != nil {
		return exportResult{}, err
	}
	made, err := client.Result[api.Export](op)
	if err != nil {
		return exportResult{}, err
	}
	out := exportView(made)
	switch {
	case args.Output != "":
		out.Output = args.Output
		err = s.readExport(ctx, args.VM, made, func(r io.Reader) error { return writeNew(args.Output, r) })
	case made.Bytes > int64(args.Limit):
		out.Omitted = true
		return out, nil
	default:
		err = s.readExport(ctx, args.VM, made, func(r io.Reader) error {
			data, err := io.ReadAll(r)
			out.Content, out.Encoding, _ = encode(data, true)
			return err
		})
	}
	if err != nil {
		return exportResult{}, err
	}
	return out, s.daemon.Workspaces.AcceptExport(ctx, args.VM, made.ID)
}

func exportView(made api.Export) exportResult {
	out := exportResult{
		BaseCommit: made.BaseCommit, Files: []exportedFile{}, FileCount: made.FileCount,
		Insertions: made.Insertions, Deletions: made.Deletions, Bytes: made.Bytes,
		Already: made.Already, Conflicts: made.Conflicts, Notes: made.Notes,
	}
	if made.Checked {
		applies := len(made.Conflicts) == 0
		out.Applies = &applies
	}
	for _, f := range made.Files[:min(len(made.Files), maxFiles)] {
		out.Files = append(out.Files, exportedFile{Path: f.Path, From: f.From, Status: f.Status, Binary: f.Binary, Mode: f.Mode})
	}
	return out
}

// readExport hands the whole export to take, or fails.
func (s *Server) readExport(ctx context.Context, vm string, made api.Export, take func(io.Reader) error) error {
	body, err := s.daemon.Workspaces.ReadExport(ctx, vm, made)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return take(body)
}
