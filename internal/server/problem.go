package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/httpjson"
	"github.com/bangervm/banger/internal/plain"
)

// codeOf is the counterpart of fault.Code.HTTPStatus for errors that HTTP or huma found.
func codeOf(status int) fault.Code {
	switch status {
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusForbidden:
		return fault.PermissionDenied
	case http.StatusServiceUnavailable, http.StatusRequestTimeout:
		return fault.Unavailable
	case http.StatusInternalServerError:
		return fault.Internal
	default:
		return fault.Invalid
	}
}

// problem is an api.Problem with the status it goes out with.
type problem struct {
	api.Problem
	status int
}

func (p *problem) Error() string  { return p.Message }
func (p *problem) GetStatus() int { return p.status }

// problemOf turns an error of a service into the answer. What Internal errors
// were caused by is logged here and not sent.
func problemOf(log *slog.Logger, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	code := fault.CodeOf(err)
	p := &problem{status: code.HTTPStatus(), Problem: fault.ProblemOf(err)}
	if code != fault.Internal {
		return p
	}
	log.Error("request failed", "error", fault.Clip(err.Error()))
	if f, ok := errors.AsType[*fault.Error](err); ok {
		p.Problem = fault.ProblemOf(&fault.Error{Code: code, Message: f.Message, Hint: fault.HintOf(f)})
	} else {
		p.Message = "internal error"
	}
	if p.Hint == "" {
		return p.withHint(readLogs())
	}
	return p
}

// write sends the problem outside of huma.
func (p *problem) write(w http.ResponseWriter) {
	httpjson.Answer(w, p.status, p.Problem)
}

func newProblem(status int, code fault.Code, format string, args ...any) *problem {
	return &problem{status: status, Problem: api.Problem{Code: string(code), Message: fmt.Sprintf(format, args...)}}
}

// readLogs is the way out of an error that says no more.
func readLogs() fault.Hint { return fault.Hintf("%s", act.DaemonLogs.Do()) }

// withHint says what to do next.
func (p *problem) withHint(hint fault.Hint) *problem {
	p.Hint, p.HintParts = hint.Wire()
	return p
}

// useProblems makes huma answer its own errors (validation, body size) in the
// API's form. huma keeps that in variables of its package.
var useProblems = sync.OnceFunc(func() { //nolint:gochecknoglobals // huma.NewError is one too, and is written once
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return newProblem(status, codeOf(status), "%s", humaMessage(msg, errs))
	}
})

// humaMessage names each field at fault, with its value.
func humaMessage(msg string, errs []error) string {
	parts := make([]string, 0, len(errs))
	for _, err := range errs {
		var detailer huma.ErrorDetailer
		if !errors.As(err, &detailer) {
			parts = append(parts, err.Error())
			continue
		}
		d := detailer.ErrorDetail()
		where := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(d.Location, "body."), "query."), "path.")
		part := strings.TrimSpace(where + ": " + d.Message)
		if v, ok := valueText(d.Value); ok {
			part += " (is " + v + ")"
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return msg
	}
	return strings.Join(parts, "; ")
}

// maxValueText bounds how much of a wrong value a message repeats, in bytes.
const maxValueText = 80

func valueText(value any) (string, bool) {
	if value == nil || value == "" {
		return "", false
	}
	data, err := json.Marshal(value)
	if err != nil {
		return "", false
	}
	return plain.Clip(string(data), maxValueText), true
}
