// Package fault is the one error vocabulary of banger: a code that programs
// act on, a message that names the value at fault, and a hint that says what
// to type next. Codes survive the API socket.
package fault

import (
	"errors"
	"fmt"

	"github.com/bangervm/banger/internal/act"
)

// Code classifies a fault. A Code is itself an error, so that
// errors.Is(err, fault.NotFound) works on both sides of the socket.
type Code string

// The codes. The CLI maps each to an exit status.
const (
	NotFound         Code = "not_found"
	Conflict         Code = "conflict"
	Invalid          Code = "invalid"
	Busy             Code = "busy"
	Unavailable      Code = "unavailable"
	PermissionDenied Code = "permission_denied"
	Canceled         Code = "canceled"
	Internal         Code = "internal"
)

// Error makes a bare Code usable as the target of errors.Is.
func (c Code) Error() string { return string(c) }

// Error is a fault: what went wrong (with the value), what to do next, and why.
type Error struct {
	Code    Code
	Message string
	Hint    Hint
	Cause   error
}

// New makes a fault with a formatted message.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes a fault with a cause. The cause is logged by the server and shown
// after the message; without a message it speaks for itself.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// WithHint returns the same fault with a hint by a format, as Hintf makes it.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = Hintf(format, args...)
	return e
}

// Try returns the same fault with a hint to do any one of acts.
func (e *Error) Try(acts ...act.Act) *Error {
	e.Hint = nil
	for i, a := range acts {
		if i > 0 {
			e.Hint = append(e.Hint, HintPart{Text: ", or "})
		}
		e.Hint = append(e.Hint, HintPart{Act: &a})
	}
	return e
}

// Error is the message, followed by the cause when there is one.
func (e *Error) Error() string {
	switch {
	case e.Cause != nil && e.Message == "":
		return e.Cause.Error()
	case e.Cause != nil:
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is this fault's code.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == e.Code
}

// CodeOf returns the code of the outermost fault in err's chain. A cancelled
// context without a fault is Canceled; anything else is Internal.
func CodeOf(err error) Code {
	if f, ok := errors.AsType[*Error](err); ok {
		return f.Code
	}
	if isCanceled(err) {
		return Canceled
	}
	return Internal
}
