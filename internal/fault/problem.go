package fault

// Problem is a fault as JSON: the body of every error answer of the API and of the
// monitor's protocol.
type Problem struct {
	Code    string `json:"code" enum:"not_found,conflict,invalid,busy,unavailable,permission_denied,canceled,internal" doc:"what programs act on"`
	Message string `json:"message" doc:"what went wrong, with the value"`
	Hint    string `json:"hint,omitempty" doc:"what to do next, as text"`
	// HintParts are there when the hint proposes acts.
	HintParts Hint `json:"hint_parts,omitempty" doc:"the hint in parts: texts, and acts that a client words in its own terms"`
}

// ProblemOf is the problem that err is for a client. A long message is cut.
func ProblemOf(err error) Problem {
	p := Problem{Code: string(CodeOf(err)), Message: Clip(err.Error())}
	p.Hint, p.HintParts = HintOf(err).Wire()
	return p
}

// Fault is the fault that the problem tells of.
func (p Problem) Fault() *Error {
	return &Error{Code: Code(p.Code), Message: p.Message, Hint: FromWire(p.Hint, p.HintParts)}
}
