//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/rogpeppe/go-internal/testscript"
)

const mcpUsage = "[!] mcp [-cancel DURATION] TOOL [KEY=TEXT] [KEY:=JSON]..."

// mcpVerb calls tools of one `banger mcp` through the SDK's own client.
type mcpVerb struct {
	session  *sdk.ClientSession
	progress chan string
}

// run calls a tool. Its result is the next stdout, its error (which ! expects)
// and its progress the next stderr.
func (m *mcpVerb) run(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), scaled(3*time.Minute))
	defer cancel()
	m.connect(ctx, ts)
	if len(args) > 2 && args[0] == "-cancel" {
		after, err := time.ParseDuration(args[1])
		ts.Check(err)
		m.canceled(ctx, ts, after, args[2:])
		return
	}
	params := callParams(ts, args)
	res, err := m.session.CallTool(ctx, params)
	ts.Check(err)
	m.drain(ts.Stderr())
	text := res.Content[0].(*sdk.TextContent).Text
	if res.IsError {
		_, _ = fmt.Fprintln(ts.Stderr(), text)
	} else {
		_, _ = fmt.Fprintln(ts.Stdout(), text)
	}
	if res.IsError != neg {
		ts.Fatalf("%s: %s", args, text)
	}
}

func (m *mcpVerb) canceled(ctx context.Context, ts *testscript.TestScript, after time.Duration, args []string) {
	ctx, cancel := context.WithTimeout(ctx, after)
	defer cancel()
	if res, err := m.session.CallTool(ctx, callParams(ts, args)); err == nil {
		ts.Fatalf("%s ended before it was cancelled: %v", args, res.Content[0])
	}
	m.drain(ts.Stderr())
}

func callParams(ts *testscript.TestScript, args []string) *sdk.CallToolParams {
	if len(args) == 0 {
		ts.Fatalf("usage: %s", mcpUsage)
	}
	arguments := map[string]any{}
	for _, arg := range args[1:] {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			ts.Fatalf("usage: %s", mcpUsage)
		}
		if name, ok := strings.CutSuffix(key, ":"); ok {
			if !json.Valid([]byte(value)) {
				ts.Fatalf("%s is not JSON", value)
			}
			arguments[name] = json.RawMessage(value)
		} else {
			arguments[key] = value
		}
	}
	params := &sdk.CallToolParams{Name: args[0], Arguments: arguments}
	params.SetProgressToken(args[0])
	return params
}

func (m *mcpVerb) connect(ctx context.Context, ts *testscript.TestScript) {
	if m.session != nil {
		return
	}
	m.progress = make(chan string, 1000)
	client := sdk.NewClient(&sdk.Implementation{Name: "banger-e2e"}, &sdk.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
			m.progress <- r.Params.Message
		},
	})
	program, err := lookPath(ts, "banger")
	ts.Check(err)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, "mcp")
	cmd.Dir, cmd.Env = ts.MkAbs("."), scriptEnv(ts)
	m.session, err = client.Connect(ctx, &sdk.CommandTransport{Command: cmd}, nil)
	ts.Check(err)
	ts.Defer(func() { _ = m.session.Close() })
}

// drain writes the progress that came.
func (m *mcpVerb) drain(w io.Writer) {
	for {
		select {
		case line := <-m.progress:
			_, _ = fmt.Fprintln(w, line)
		default:
			return
		}
	}
}
