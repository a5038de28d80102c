package mcp

import (
	"encoding/json"
	"errors"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// handlerError marks what a tool returned, as against what the SDK found wrong
// with its arguments.
type handlerError struct{ error }

// Unwrap returns the tool's error.
func (e handlerError) Unwrap() error { return e.error }

// toolError is the result that an agent can act on: the error as JSON. It is
// not structured content, since that must match the tool's output schema.
func (s *Server) toolError(err error) *sdk.CallToolResult {
	p := api.Problem{Code: string(fault.CodeOf(err)), Message: err.Error(), Hint: fault.HintOf(err).Word(s.word)}
	if own, ok := errors.AsType[handlerError](err); ok {
		p.Message = own.Error()
	} else if _, ok := errors.AsType[*fault.Error](err); !ok {
		p = api.Problem{Code: string(fault.Invalid), Message: unlayered(err.Error()), Hint: "see the tool's input schema"}
	}
	p.Message, p.Hint = plain.Lines(p.Message, fault.MaxText), plain.Lines(p.Hint, fault.MaxText)
	text, err := json.Marshal(p)
	if err != nil {
		text = []byte(`{"code":"internal","message":"the error cannot be written as JSON"}`)
	}
	return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: string(text)}}}
}

// unlayered drops the SDK's layers from a message about arguments.
func unlayered(message string) string {
	message = strings.TrimPrefix(message, `validating "arguments": `)
	message = strings.TrimPrefix(message, "validating root: ")
	return "arguments: " + message
}
