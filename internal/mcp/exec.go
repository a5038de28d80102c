package mcp

import (
	"context"
	"errors"
	"strings"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

const (
	// termGrace is how long a command that is to end may take after SIGTERM,
	// killGrace how long its end may take to arrive after SIGKILL.
	termGrace = 2 * time.Second
	killGrace = 5 * time.Second
)

type execArgs struct {
	VM      string            `json:"vm" jsonschema:"name or ID prefix"`
	Command []string          `json:"command" jsonschema:"program and arguments; a string runs with sh -c"`
	Dir     string            `json:"dir,omitempty" jsonschema:"absolute working directory; default: the image's"`
	Env     map[string]string `json:"env,omitempty" jsonschema:"extra environment variables"`
	User    string            `json:"user,omitempty" jsonschema:"name, UID or UID:GID; default: the image's user or root"`
	Stdin   string            `json:"stdin,omitempty" jsonschema:"text for stdin; default: empty"`
	Timeout float64           `json:"timeout_seconds,omitempty" jsonschema:"kill the command after this time (SIGTERM, then SIGKILL after 2 s)"`
	Limit   int               `json:"output_limit_bytes,omitempty" jsonschema:"maximum returned of each of stdout and stderr (head and tail)"`
}

type execResult struct {
	ExitCode int     `json:"exit_code" jsonschema:"128+n if signal n ended it"`
	TimedOut bool    `json:"timed_out,omitempty" jsonschema:"the timeout ended it"`
	Seconds  float64 `json:"seconds" jsonschema:"run time"`
	Stdout   Text    `json:"stdout"`
	Stderr   Text    `json:"stderr"`
}

func (s *Server) addExecTool() {
	addTool(s, spec{
		name: "exec", title: "Run a command",
		description: "Run a command in a VM and wait for it to finish. A non-zero exit code is a result, not an error. For long-running commands use session_start.",
		effect:      effect{destructive: true, openWorld: true},
		bounds: bounds{
			"vm": vmName(), "command": commandLine(), "dir": absolutePath(), "env": environment(),
			"user": {length(1, 128)}, "stdin": {length(0, 1<<20)},
			"timeout_seconds":    {between(0.1, 3600), fallback("120")},
			"output_limit_bytes": {between(256, 256<<10), fallback("16384")},
		},
	}, s.exec)
}

func commandLine() []limit { return []limit{items(1, 1024, 128<<10)} }

func (s *Server) exec(ctx context.Context, _ *sdk.CallToolRequest, args execArgs) (execResult, error) {
	begun := time.Now()
	command, err := s.daemon.Commands.Exec(ctx, args.VM, api.Exec{
		Command: args.Command, Dir: args.Dir, Env: pairs(args.Env), User: args.User,
		Stdin: args.Stdin != "", KillGroup: true,
	})
	if err != nil {
		return execResult{}, err
	}
	run := &running{Execution: command, done: make(chan struct{})}
	stdout, stderr := &headTail{limit: args.Limit}, &headTail{limit: args.Limit}
	ending := make(chan ending, 1)
	go func() { ending <- run.attend(ctx, time.Duration(args.Timeout*float64(time.Second))) }()
	if args.Stdin != "" {
		go run.Feed(strings.NewReader(args.Stdin))
	}
	// Its end is attended to, and seen also when ctx has ended.
	status, err := run.Run(context.WithoutCancel(ctx), stdout, stderr)
	close(run.done)
	why := <-ending
	run.Close()
	switch {
	case why == endCanceled:
		return execResult{}, fault.New(fault.Canceled, "canceled; the command was killed")
	case err != nil && why == endNatural:
		return execResult{}, notStarted(err)
	case err != nil:
		return execResult{}, fault.New(fault.Unavailable, "the command did not end within %s of SIGKILL", killGrace).
			WithHint("it may still run in %s", args.VM)
	}
	return execResult{
		ExitCode: status, TimedOut: why == endTimeout, Seconds: time.Since(begun).Seconds(),
		Stdout: stdout.text(), Stderr: stderr.text(),
	}, nil
}

// Statuses of a command that did not start, as a shell has them.
const (
	statusCannotRun = 126
	statusNotFound  = 127
)

// notStarted makes a fault of what the guest says of a command that it could not
// start, and leaves other errors as they are.
func notStarted(err error) error {
	said, ok := errors.AsType[*client.NotStartedError](err)
	if !ok {
		return err
	}
	reason := plain.Lines(said.Message, fault.MaxText)
	switch {
	case said.UnknownUser():
		return fault.New(fault.Invalid, "the command did not start: %s", reason).WithHint(`set "user": "root", or another user that the guest has`)
	case said.Status == statusNotFound:
		return fault.New(fault.NotFound, "the command did not start: %s", reason).
			WithHint("command[0] is a program in PATH, or a path; for shell syntax use [\"sh\",\"-c\",\"…\"]")
	case said.Status == statusCannotRun:
		return fault.New(fault.Invalid, "the command did not start: %s", reason)
	default:
		return fault.New(fault.Internal, "the command did not start (status %d): %s", said.Status, reason)
	}
}

// ending is why a command ended.
type ending int

const (
	endNatural ending = iota
	endTimeout
	endCanceled
)

// running is a command under way.
type running struct {
	*client.Execution
	done chan struct{} // closed when it has ended
}

// attend ends the command when its time is over or nobody wants it any more:
// first by SIGTERM, then SIGKILL, then by closing the stream. It returns when
// the command has ended.
func (r *running) attend(ctx context.Context, timeout time.Duration) ending {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	why := endTimeout
	select {
	case <-r.done:
		return endNatural
	case <-ctx.Done():
		why = endCanceled
	case <-timer.C:
	}
	for _, step := range []struct {
		signal string
		grace  time.Duration
	}{{"TERM", termGrace}, {"KILL", killGrace}} {
		go r.Signal(step.signal) // stdin may hold the stream up
		timer.Reset(step.grace)
		select {
		case <-r.done:
			return why
		case <-timer.C:
		}
	}
	r.Close()
	<-r.done
	return why
}
