package mcp

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
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
	p := api.Problem{Code: string(fault.CodeOf(err)), Message: err.Error(), Hint: s.hint(err)}
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

// hint is what to do next, in tools.
func (s *Server) hint(err error) string {
	hint := fault.HintOf(err)
	if len(hint.Acts()) == 0 {
		return hintFor(hint.String())
	}
	return hint.Word(s.word)
}

// unlayered drops the SDK's layers from a message about arguments.
func unlayered(message string) string {
	message = strings.TrimPrefix(message, `validating "arguments": `)
	message = strings.TrimPrefix(message, "validating root: ")
	return "arguments: " + message
}

// hintFor turns the commands that a user would type into the tools to call.
// Those that have none are for the user.
func hintFor(hint string) string {
	command := regexp.MustCompile("`?banger (?:vm )?(image list|list|ls|show|logs|start|stop|delete|rm|exec|ports|egress show|egress log|workspace prepare|workspace export|" +
		"session (?:list|start)|session (?:show|stop|logs|send|wait) [^ ,]+)((?: --?[a-z-]+)*)(?: [A-Za-z0-9._-]+)?((?: --force| --discard-work)*)`?(,| |$)")
	worded := command.ReplaceAllStringFunc(hint, func(found string) string {
		part := command.FindStringSubmatch(found)
		var with []string
		for flag, argument := range map[string]string{"--force": "force", "--discard-work": "discard_work", "--rescue": "rescue"} {
			if strings.Contains(part[2]+part[3], flag) {
				with = append(with, argument)
			}
		}
		slices.Sort(with)
		slices.Reverse(with) // force first, as the command line has it
		call := "call " + toolFor(part[1])
		if len(with) > 0 {
			call += " with " + strings.Join(with, " and ")
		}
		return call + part[4]
	})
	if strings.HasPrefix(worded, "banger ") {
		return "the user can run: " + hint
	}
	return strings.NewReplacer("--force", "force", "--discard-work", "discard_work", " && ", ", then ").Replace(worded)
}

// toolFor is the tool that does what a verb of the command line does.
func toolFor(verb string) string {
	if words := strings.Fields(verb); len(words) > 2 {
		verb = words[0] + " " + words[1]
	}
	switch verb {
	case "list", "ls":
		return "vm_list"
	case "show", "logs":
		return "vm_" + verb
	case "delete", "rm":
		return "vm_delete"
	case "exec":
		return "exec"
	case "start", "stop":
		return "vm_" + verb
	case "ports":
		return "vm_ports"
	case "egress show":
		return "vm_egress"
	case "egress log":
		return "vm_egress_log"
	case "session logs":
		return "session_read"
	case "session show":
		return "session_list"
	default:
		return strings.ReplaceAll(verb, " ", "_")
	}
}
