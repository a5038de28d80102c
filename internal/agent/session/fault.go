package session

import "fmt"

// Code says what kind of error it is, in the words of the host's faults.
type Code string

// The codes.
const (
	NotFound Code = "not_found"
	Conflict Code = "conflict"
	Invalid  Code = "invalid"
	Busy     Code = "busy"
	Denied   Code = "permission_denied"
)

// Error is a request that cannot be met.
type Error struct {
	Code    Code
	Message string
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

func fail(code Code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
