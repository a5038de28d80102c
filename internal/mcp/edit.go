package mcp

import (
	"context"
	"strings"
	"unicode/utf8"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guestfiles"
)

type fileEditArgs struct {
	VM   string `json:"vm" jsonschema:"name or ID prefix"`
	Path string `json:"path" jsonschema:"absolute path in the VM"`
	Old  string `json:"old" jsonschema:"exact text to replace"`
	New  string `json:"new" jsonschema:"replacement text"`
	All  bool   `json:"all,omitempty" jsonschema:"replace every occurrence, not just a single one"`
}

type fileEditResult struct {
	Path         string `json:"path"`
	Replacements int    `json:"replacements"`
	Bytes        int    `json:"bytes" jsonschema:"new file size"`
}

func (s *Server) addEditTool() {
	addTool(s, spec{
		name: "file_edit", title: "Edit a file",
		description: "Replace text in a UTF-8 file in a VM, up to 4 MiB. The file mode is kept.",
		effect:      effect{destructive: true},
		bounds:      bounds{"vm": vmName(), "path": absolutePath(), "old": {length(1, maxWrite)}, "new": {length(0, maxWrite)}},
	}, s.fileEdit)
}

func (s *Server) fileEdit(ctx context.Context, _ *sdk.CallToolRequest, args fileEditArgs) (fileEditResult, error) {
	if err := checkPath(args.Path); err != nil {
		return fileEditResult{}, err
	}
	data, info, err := s.daemon.Files.ReadFile(ctx, args.VM, args.Path, 0, maxWrite+1)
	if err != nil {
		return fileEditResult{}, err
	}
	if len(data) > maxWrite {
		return fileEditResult{}, fault.New(fault.Invalid, "%s is larger than %d MiB", args.Path, maxWrite>>20).WithHint("edit it with exec")
	}
	if !utf8.Valid(data) {
		return fileEditResult{}, fault.New(fault.Invalid, "%s is not UTF-8 text", args.Path).WithHint("use exec to edit it")
	}
	count := strings.Count(string(data), args.Old)
	switch {
	case count == 0:
		return fileEditResult{}, fault.New(fault.NotFound, "old is not in %s", args.Path).WithHint("read the file with file_read and copy old exactly, with spaces and line ends")
	case count > 1 && !args.All:
		return fileEditResult{}, fault.New(fault.Conflict, "old is in %s %d times", args.Path, count).WithHint("add surrounding text to old, or set all")
	}
	text := strings.ReplaceAll(string(data), args.Old, args.New)
	if len(text) > maxWrite {
		return fileEditResult{}, fault.New(fault.Invalid, "%s would be %d bytes, more than the limit of %d", args.Path, len(text), maxWrite)
	}
	mode := info.Mode.Perm()
	_, err = s.daemon.Files.WriteFile(ctx, args.VM, guestfiles.Write{Path: args.Path, Data: []byte(text), Mode: &mode})
	return fileEditResult{Path: args.Path, Replacements: count, Bytes: len(text)}, err
}
