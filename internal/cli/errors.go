package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// Exit statuses besides those of faults.
const (
	statusFailed      = 1
	statusUsage       = 2
	statusExecFailed  = 125 // banger's own failure where a command's status is returned
	statusCanceled    = 130
	statusUnavailable = 6
)

// usageError says that the command line itself is wrong.
type usageError struct {
	message string
	hint    string
}

func (e *usageError) Error() string { return e.message }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...), hint: cmd.CommandPath() + " --help"}
}

// statusError ends banger with a status. A nil cause was already said, or has
// nothing to say: the command in the guest spoke for itself.
type statusError struct {
	status int
	cause  error
}

func (e *statusError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.cause.Error()
}

func (e *statusError) Unwrap() error { return e.cause }

// exitStatus maps an error to the status that scripts act on.
func exitStatus(err error) int {
	if s, ok := errors.AsType[*statusError](err); ok {
		return s.status
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return statusUsage
	}
	switch fault.CodeOf(err) {
	case fault.NotFound:
		return 3
	case fault.Conflict, fault.Busy:
		return 4
	case fault.Invalid:
		return 5
	case fault.Unavailable:
		return statusUnavailable
	case fault.PermissionDenied:
		return 7
	case fault.Canceled:
		return statusCanceled
	case fault.Internal:
		return statusFailed
	default:
		return statusFailed
	}
}

// ownFailure makes an error of banger's end with 125, where every other status
// is the command's. An interrupt stays 130.
func ownFailure(err error) error {
	if err == nil || errors.Is(err, fault.Canceled) || exitStatus(err) == statusCanceled {
		return err
	}
	if _, ok := errors.AsType[*statusError](err); ok {
		return err
	}
	return &statusError{status: statusExecFailed, cause: err}
}

// printError writes what went wrong, and under it what to type next.
func (a *App) printError(err error) {
	if s, ok := errors.AsType[*statusError](err); ok && s.cause == nil {
		return
	}
	var b strings.Builder
	for _, e := range split(err) {
		b.WriteString("banger: " + indented(message(e), 2) + "\n")
		if hint := hintOf(e); hint != "" {
			b.WriteString("hint: " + plain.Line(hint, maxShown) + "\n")
		}
	}
	_, _ = a.Err.WriteString(b.String())
}

// errorAnswer is an error as -o json shows it, one object a line on stderr.
type errorAnswer struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	Hint       string `json:"hint,omitempty"`
	ExitStatus int    `json:"exit_status"`
}

// wantsJSON reports whether the command was told to answer in JSON.
func wantsJSON(cmd *cobra.Command) bool {
	for _, name := range []string{"output", "output-format"} {
		if flag := cmd.Flags().Lookup(name); flag != nil && flag.Value.Type() == formatKind {
			return flag.Value.String() == formatJSON
		}
	}
	return false
}

func (a *App) printErrorJSON(err error) {
	if s, ok := errors.AsType[*statusError](err); ok && s.cause == nil {
		return
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, e := range split(err) {
		code := string(fault.CodeOf(e))
		if _, ok := errors.AsType[*usageError](e); ok {
			code = "usage"
		}
		if err := enc.Encode(errorAnswer{Code: code, Message: message(e), Hint: hintOf(e), ExitStatus: exitStatus(err)}); err != nil {
			return
		}
	}
	_, _ = a.Err.WriteString(escapeUnseen(b.String(), ""))
}

// split returns the parts of an errors.Join, which are shown one by one.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func message(err error) string {
	// banger's own context is cancelled by an interrupt only.
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	return err.Error()
}

func hintOf(err error) string {
	if u, ok := errors.AsType[*usageError](err); ok {
		return u.hint
	}
	return fault.HintOf(err).Word(cmdline.Line)
}

func asFault(err error) (*fault.Error, bool) { return errors.AsType[*fault.Error](err) }

func asUsage(err error) (*usageError, bool) { return errors.AsType[*usageError](err) }
