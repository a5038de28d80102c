package mcp

import (
	"encoding/json"
	"errors"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// handlerError marks what a tool returned, as against what the SDK found wrong
// with its arguments.
type handlerError struct{ error }

// Unwrap returns the tool's error.
func (e handlerError) Unwrap() error { return e.error }

// toolError is the result that an agent can act on: the error as JSON. It is
// not structured content, since that must match the tool's output schema.
func toolError(err error) *sdk.CallToolResult {
	p := api.Problem{Code: string(fault.CodeOf(err)), Message: err.Error(), Hint: hintFor(fault.HintOf(err))}
	if own, ok := errors.AsType[handlerError](err); ok {
		p.Message = own.Error()
	} else if _, ok := errors.AsType[*fault.Error](err); !ok {
		p = api.Problem{Code: string(fault.Invalid), Message: plain(err.Error()), Hint: "see the tool's input schema"}
	}
	text, err := json.Marshal(p)
	if err != nil {
		text = []byte(`{"code":"internal","message":"the error cannot be written as JSON"}`)
	}
	return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: string(text)}}}
}

// plain drops the SDK's layers from a message about arguments.
func plain(message string) string {
	message = strings.TrimPrefix(message, `validating "arguments": `)
	message = strings.TrimPrefix(message, "validating root: ")
	return "arguments: " + message
}

// hintFor turns what a user would type into the tool to call. Commands that
// have none are for the user.
func hintFor(hint string) string {
	command, ok := strings.CutPrefix(hint, "banger ")
	if !ok {
		return hint
	}
	for _, t := range []struct{ command, tool string }{
		{"vm list", "call vm_list"},
		{"vm show", "call vm_list"},
		{"vm start", "call vm_start"},
		{"vm stop", "call vm_stop"},
		{"vm delete", "call vm_delete"},
		{"vm rm", "call vm_delete"},
		{"vm workspace prepare", "call workspace_prepare"},
		{"vm workspace export", "call workspace_export"},
		{"vm session list", "call session_list"},
		{"vm session start", "call session_start"},
		{"vm session stop", "call session_stop"},
		{"vm session logs", "call session_read"},
		{"vm session show", "call session_list"},
	} {
		if rest, ok := strings.CutPrefix(command, t.command); ok && (rest == "" || rest[0] == ' ') {
			if strings.Contains(rest, "--force") {
				return t.tool + " with force"
			}
			return t.tool
		}
	}
	return "the user can run: " + hint
}
