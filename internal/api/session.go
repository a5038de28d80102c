package api

import "time"

// Session is a long-lived command in a guest.
type Session struct {
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	VM            string   `json:"vm" doc:"the name of its VM"`
	State         string   `json:"state" enum:"starting,running,exited,failed,lost"`
	Mode          string   `json:"mode" enum:"pipe,tty"`
	Command       []string `json:"command"`
	Dir           string   `json:"dir"`
	User          string   `json:"user" doc:"empty: root"`
	ExitCode      *int     `json:"exit_code" doc:"null until it exits; 128+n if signal n ended it"`
	Signal        string   `json:"signal" doc:"the signal that ended it, without SIG"`
	Warning       string   `json:"warning,omitempty" doc:"what its start lacked; in the answer to a start only"`
	LastError     string   `json:"last_error" doc:"why it did not start or was lost, or its output if it failed at once"`
	StdinBytes    int64    `json:"stdin_bytes"`
	StdoutBytes   int64    `json:"stdout_bytes"`
	StderrBytes   int64    `json:"stderr_bytes"`
	StdoutDropped int64    `json:"stdout_dropped" doc:"the oldest bytes, no longer kept"`
	StderrDropped int64    `json:"stderr_dropped"`
	// Attention is nil where it is not known.
	Attention *Attention `json:"attention,omitempty"`
	Writer    bool       `json:"writer" doc:"somebody is attached to write"`
	Readers   int        `json:"readers" doc:"how many others are attached"`
	CreatedAt time.Time  `json:"created_at"`
	StartedAt *time.Time `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// Attention says whether a session needs somebody.
type Attention struct {
	State   string    `json:"state" enum:"needs_input,working,idle,done" doc:"needs_input: it waits for somebody"`
	Why     string    `json:"why" enum:",question,approval,error,stopped,killed,lost" doc:"what it needs; of done, how it ended: stopped or killed on request, lost with its VM or agent, or error if it did not exit with 0"`
	Text    string    `json:"text" doc:"the program's own words, which come from the guest; of done, why it ended"`
	Since   time.Time `json:"since"`
	Session string    `json:"session,omitempty" doc:"of a VM: the name of the session that needs somebody most"`
	// ExitCode and Signal are there once it has exited.
	ExitCode *int   `json:"exit_code,omitempty" doc:"of done: its exit status; 128+n if signal n ended it"`
	Signal   string `json:"signal,omitempty" doc:"of done: the signal that ended it, without SIG"`
}

// StartSession asks for a session.
type StartSession struct {
	Name      string   `json:"name,omitempty" doc:"empty: made from the command; unique in the VM"`
	Command   []string `json:"command" minItems:"1"`
	TTY       bool     `json:"tty,omitempty" doc:"one terminal instead of three pipes"`
	Dir       string   `json:"dir,omitempty" doc:"absolute, in the guest; empty: the image's"`
	Env       []string `json:"env,omitempty" doc:"NAME=VALUE; not stored"`
	User      string   `json:"user,omitempty" doc:"name, uid, or uid:gid; empty: root"`
	Require   []string `json:"require,omitempty" doc:"commands that must exist"`
	Rows      uint16   `json:"rows,omitempty"`
	Cols      uint16   `json:"cols,omitempty"`
	KeepBytes int64    `json:"keep_bytes,omitempty" doc:"how much of each output stream is kept; 64 KiB to 64 MiB, default 4 MiB"`
}

// StopSession bounds how long a session may take to end by SIGTERM.
type StopSession struct {
	TimeoutSeconds *float64 `json:"timeout_seconds,omitempty" doc:"then SIGKILL; default 10, 0: at once"`
}

// KillSession sends a signal to a session's process group.
type KillSession struct {
	Signal string `json:"signal,omitempty" doc:"name or number; default KILL"`
}

// SessionOutput is a piece of what a session wrote to one stream.
type SessionOutput struct {
	Offset int64  `json:"offset" doc:"of the first byte of data"`
	Next   int64  `json:"next_offset" doc:"of the byte after data: request it next"`
	Lost   int64  `json:"lost" doc:"requested bytes before offset that are no longer kept"`
	End    int64  `json:"end" doc:"total written so far"`
	Data   []byte `json:"data" doc:"base64"`
	Ended  bool   `json:"ended" doc:"nothing comes after end"`
}

// AttachSession is the JSON body of POST /v1/vms/{name}/sessions/{session}/attach
// with "Upgrade: banger-attach-v1". After 101 the stream carries the frames of
// docs/attach.md.
type AttachSession struct {
	ReadOnly bool   `json:"read_only,omitempty"`
	Writer   string `json:"writer,omitempty" doc:"a name that identifies the client when it attaches again; required to write"`
	Stdout   int64  `json:"stdout,omitempty" doc:"the offset to continue from; -1: the oldest kept; -2: only new output"`
	Stderr   int64  `json:"stderr,omitempty"`
	Once     bool   `json:"once,omitempty" doc:"end when the present output was sent"`
	Repaint  bool   `json:"repaint,omitempty" doc:"the last screenful of a terminal instead of stdout's offset"`
	Rows     uint16 `json:"rows,omitempty"`
	Cols     uint16 `json:"cols,omitempty"`
}

// AttachProtocol is the Upgrade token of an attachment.
const AttachProtocol = "banger-attach-v1"
