//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/client"
)

// rpcAhead is how many requests are under way at a time.
const rpcAhead = 16

// cmdJSONRPC drives a JSON-RPC echo server that runs as a session, by the
// framed attachment, and kills the daemon on the way. Every request must be
// answered once, in order, with its own parameter.
func cmdJSONRPC(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 4, "jsonrpc VM SESSION MESSAGES KILLS")
	messages, err := strconv.Atoi(args[2])
	ts.Check(err)
	kills, err := strconv.Atoi(args[3])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), scaled(3*time.Minute))
	defer cancel()
	c := client.New(filepath.Join(ts.Getenv("XDG_RUNTIME_DIR"), "banger", "bangerd.sock"))
	defer c.Close()
	answers, stdout := io.Pipe()
	connections := 0
	at := c.Attach(args[0], args[1], client.AttachOptions{
		Output: func(stream agentrpc.Stream, p []byte) error {
			if stream != agentrpc.Stdout {
				return fmt.Errorf("stderr: %s", p)
			}
			_, err := stdout.Write(p)
			return err
		},
		Lost:    func(_ agentrpc.Stream, n int64) { stdout.CloseWithError(fmt.Errorf("%d bytes are lost", n)) },
		Greeted: func(agentrpc.AttachGreeting) { connections++ },
	})
	ended := make(chan error, 1)
	go func() {
		_, err := at.Run(ctx)
		stdout.CloseWithError(errors.Join(io.EOF, err))
		ended <- err
	}()
	rpc := &rpcClient{to: at, answers: bufio.NewScanner(answers)}
	began := time.Now()
	for i := range messages {
		if kills > 0 && i%(messages/(kills+1)) == messages/(kills+1)-1 && i/(messages/(kills+1)) < kills {
			killDaemon(ctx, ts, c)
		}
		ts.Check(rpc.send(i))
		if i >= rpcAhead {
			ts.Check(rpc.receive(i - rpcAhead))
		}
	}
	for i := max(0, messages-rpcAhead); i < messages; i++ {
		ts.Check(rpc.receive(i))
	}
	ts.Logf("%d messages in %s, by %d connections", messages, time.Since(began).Round(time.Millisecond), connections)
	at.CloseWrite()
	ts.Check(<-ended)
	if connections != 1 { // which go past the daemon
		ts.Fatalf("%d kills of the daemon broke an attachment: %d connections", kills, connections)
	}
}

type rpcClient struct {
	to      io.Writer
	answers *bufio.Scanner
}

func (r *rpcClient) send(i int) error {
	_, err := fmt.Fprintf(r.to, `{"jsonrpc":"2.0","id":%d,"method":"echo","params":["message %d"]}`+"\n", i, i*i)
	return err
}

func (r *rpcClient) receive(i int) error {
	if !r.answers.Scan() {
		return fmt.Errorf("no answer to message %d: %w", i, r.answers.Err())
	}
	var answer struct {
		ID     int      `json:"id"`
		Result []string `json:"result"`
	}
	if err := json.Unmarshal(r.answers.Bytes(), &answer); err != nil {
		return fmt.Errorf("the answer to message %d is %q: %w", i, r.answers.Text(), err)
	}
	if want := fmt.Sprintf("message %d", i*i); answer.ID != i || len(answer.Result) != 1 || answer.Result[0] != want {
		return fmt.Errorf("the answer to message %d is %q", i, r.answers.Text())
	}
	return nil
}

// killDaemon ends bangerd as nothing can catch it, and starts another.
func killDaemon(ctx context.Context, ts *testscript.TestScript, c *client.Client) {
	ping, err := c.Ping(ctx)
	ts.Check(err)
	ts.Check(syscall.Kill(pidOf(ts, strconv.Itoa(ping.PID)), syscall.SIGKILL))
	if !poll(scaled(10*time.Second), func() bool { return !running(ping.PID) }) {
		ts.Fatalf("daemon %d still runs", ping.PID)
	}
	program, err := lookPath(ts, "banger")
	ts.Check(err)
	start := exec.CommandContext(ctx, program, "daemon", "start")
	start.Env, start.Stderr = scriptEnv(ts), os.Stderr
	ts.Check(start.Run())
}
