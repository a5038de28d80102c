package mcp

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

const (
	// termGrace is how long a command that is to end may take after SIGTERM,
	// killGrace how long its end may take to arrive after SIGKILL.
	termGrace = 2 * time.Second
	killGrace = 5 * time.Second
	// stdinBlock is how much of stdin one frame has.
	stdinBlock = 32 << 10
)

type execArgs struct {
	VM      string            `json:"vm" jsonschema:"name, or unique prefix of an id"`
	Command []string          `json:"command" jsonschema:"program and arguments; a text instead of a list is run by sh -c"`
	Dir     string            `json:"dir,omitempty" jsonschema:"absolute working directory in the guest; default: the image's"`
	Env     map[string]string `json:"env,omitempty" jsonschema:"added to the VM's environment"`
	User    string            `json:"user,omitempty" jsonschema:"name, uid, or uid:gid; default root"`
	Stdin   string            `json:"stdin,omitempty" jsonschema:"text for standard input, which is empty otherwise"`
	Timeout float64           `json:"timeout_seconds,omitempty" jsonschema:"then the command's process group gets SIGTERM, and SIGKILL 2 s later"`
	Limit   int               `json:"output_limit_bytes,omitempty" jsonschema:"how much of each of stdout and stderr is returned: the head and the tail"`
}

type execResult struct {
	ExitCode int     `json:"exit_code" jsonschema:"128+n when signal n ended it"`
	TimedOut bool    `json:"timed_out,omitempty" jsonschema:"true when the timeout ended it"`
	Seconds  float64 `json:"seconds" jsonschema:"how long it took"`
	Stdout   Text    `json:"stdout"`
	Stderr   Text    `json:"stderr"`
}

func (s *Server) addExecTool() {
	addTool(s, spec{
		name: "exec", title: "Run a command",
		description: "Run a command in a VM and wait for its end. An exit code other than 0 is a result, not an error. For commands that keep running, use session_start.",
		effect:      effect{destructive: true, openWorld: true},
		bounds: bounds{
			"vm": vmName(), "command": commandLine(), "dir": guestPath(), "env": environment(),
			"user": {length(1, 128)}, "stdin": {length(0, 1<<20)},
			"timeout_seconds":    {between(0.1, 3600), fallback("120")},
			"output_limit_bytes": {between(256, 256<<10), fallback("16384")},
		},
	}, s.exec)
}

func commandLine() []limit { return []limit{items(1, 1024, 128<<10)} }

func (s *Server) exec(ctx context.Context, _ *sdk.CallToolRequest, args execArgs) (execResult, error) {
	begun := time.Now()
	stream, err := s.daemon.Commands.Exec(ctx, args.VM, api.Exec{
		Command: args.Command, Dir: args.Dir, Env: pairs(args.Env), User: args.User,
		Stdin: args.Stdin != "", KillGroup: true,
	})
	if err != nil {
		return execResult{}, err
	}
	run := &running{stream: stream, done: make(chan struct{})}
	stdout, stderr := &headTail{limit: args.Limit}, &headTail{limit: args.Limit}
	ending := make(chan ending, 1)
	go func() { ending <- run.attend(ctx, time.Duration(args.Timeout*float64(time.Second))) }()
	if args.Stdin != "" {
		go run.feed(args.Stdin)
	}
	status, err := receive(stream, stdout, stderr)
	close(run.done)
	why := <-ending
	_ = stream.Close()
	switch {
	case why == endCanceled:
		return execResult{}, fault.New(fault.Canceled, "canceled; the command's process group was ended")
	case err != nil && why == endNatural:
		return execResult{}, brokenStream(err, args.VM)
	case err != nil:
		return execResult{}, fault.New(fault.Unavailable, "the command was not seen to end within %s of SIGKILL", killGrace).
			WithHint("it may still run in %s", args.VM)
	}
	return execResult{
		ExitCode: status, TimedOut: why == endTimeout, Seconds: time.Since(begun).Seconds(),
		Stdout: stdout.text(), Stderr: stderr.text(),
	}, nil
}

// brokenStream says in banger's words why a stream ended before the command.
func brokenStream(err error, vm string) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "the connection to %s broke while the command ran", vm).
		WithHint("banger vm list")
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
	stream io.ReadWriteCloser
	done   chan struct{} // closed when it has ended

	mu sync.Mutex // one frame at a time
}

// send drops the error: a broken stream shows where the answers are read.
func (r *running) send(t agentrpc.FrameType, payload []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return agentrpc.WriteFrame(r.stream, t, payload) == nil
}

func (r *running) feed(text string) {
	for len(text) > 0 {
		n := min(len(text), stdinBlock)
		if !r.send(agentrpc.FrameStdin, []byte(text[:n])) {
			return
		}
		text = text[n:]
	}
	r.send(agentrpc.FrameStdinEOF, nil)
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
		go r.send(agentrpc.FrameSignal, []byte(step.signal)) // stdin may hold the stream up
		timer.Reset(step.grace)
		select {
		case <-r.done:
			return why
		case <-timer.C:
		}
	}
	_ = r.stream.Close()
	<-r.done
	return why
}
