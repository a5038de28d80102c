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
	VM   string `json:"vm" jsonschema:"name, or unique prefix of an id"`
	Path string `json:"path" jsonschema:"absolute, in the guest"`
	Old  string `json:"old" jsonschema:"the text to replace, exactly as it is in the file"`
	New  string `json:"new" jsonschema:"the text to put there"`
	All  bool   `json:"all,omitempty" jsonschema:"replace every occurrence; without it there must be one"`
}

type fileEditResult struct {
	Path         string `json:"path"`
	Replacements int    `json:"replacements"`
	Bytes        int    `json:"bytes" jsonschema:"size of the file now"`
}

func (s *Server) addEditTool() {
	addTool(s, spec{
		name: "file_edit", title: "Edit a file",
		description: "Replace a text in a UTF-8 file of a VM, and keep its mode. At most 4 MiB.",
		effect:      effect{destructive: true},
		bounds:      bounds{"vm": vmName(), "path": guestPath(), "old": {length(1, maxWrite)}, "new": {length(0, maxWrite)}},
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
		return fileEditResult{}, fault.New(fault.Invalid, "%s is not UTF-8 text", args.Path).WithHint("edit it with exec")
	}
	count := strings.Count(string(data), args.Old)
	switch {
	case count == 0:
		return fileEditResult{}, fault.New(fault.NotFound, "old is not in %s", args.Path).WithHint("read the file with file_read, and give old exactly, spaces and line ends included")
	case count > 1 && !args.All:
		return fileEditResult{}, fault.New(fault.Conflict, "old is in %s %d times", args.Path, count).WithHint("give more of the text around it, or all")
	}
	text := strings.ReplaceAll(string(data), args.Old, args.New)
	if len(text) > maxWrite {
		return fileEditResult{}, fault.New(fault.Invalid, "%s would have %d bytes, more than %d", args.Path, len(text), maxWrite)
	}
	mode := info.Mode.Perm()
	_, err = s.daemon.Files.WriteFile(ctx, args.VM, guestfiles.Write{Path: args.Path, Data: []byte(text), Mode: &mode})
	return fileEditResult{Path: args.Path, Replacements: count, Bytes: len(text)}, err
}
