package api

// ReadyEnv is the environment variable with which whoever starts bangerd asks
// to be told how that went: the number of an inherited descriptor, to which
// bangerd writes one line and which it then closes. The line is ReadyLine once
// it serves, or else a Problem as JSON. End-of-file without a line: it died.
const (
	ReadyEnv  = "BANGER_READY_FD"
	ReadyLine = "ready"
)
