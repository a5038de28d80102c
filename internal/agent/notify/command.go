package notify

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
)

// usage is what `banger-guest` says of itself.
const usage = `Tell banger whether this session works, is idle, needs input or is done.

Usage:
  banger-guest notify --state STATE [--why WHY] [TEXT]

Flags:
  --state STATE   working, idle, needs-input or done (default needs-input)
  --why WHY       what it needs: question, approval or error (default: guessed from TEXT)

Examples:
  banger-guest notify "Which branch should I use?"
  banger-guest notify --state needs-input --why approval "May I run make install?"
  banger-guest notify --state working
`

// Command is `banger-guest ARGS` in the guest, and returns its exit status: 1 when the
// agent did not take it, 2 for a wrong usage.
func Command(ctx context.Context, socket string, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && (args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
		_, _ = io.WriteString(stdout, usage)
		return 0
	}
	if len(args) == 0 || args[0] != "notify" {
		_, _ = io.WriteString(stderr, usage)
		return 2
	}
	req, err := parse(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(stdout, usage)
		return 0
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "banger-guest: %v\n", err)
		return 2
	}
	if err := send(ctx, socket, req); err != nil {
		_, _ = fmt.Fprintf(stderr, "banger-guest: %v\n", err)
		return 1
	}
	return 0
}

// parse reads flags and text in any order, as people type them.
func parse(args []string) (agentrpc.NotifyRequest, error) {
	var req agentrpc.NotifyRequest
	flags := flag.NewFlagSet("notify", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&req.State, "state", "needs-input", "")
	flags.StringVar(&req.Why, "why", "", "")
	var words []string
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			return req, err
		}
		if args = flags.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	req.Text = strings.Join(words, " ")
	req.Text = strings.ToValidUTF8(req.Text[:min(len(req.Text), agentrpc.MaxSaid)], "")
	return req, check(req)
}

func send(ctx context.Context, socket string, req agentrpc.NotifyRequest) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("cannot reach the agent of this VM (in a container, use its host network): %w", err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(limit))
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return fmt.Errorf("the agent does not take it: %w", err)
	}
	var answer agentrpc.NotifyAnswer
	if err := json.NewDecoder(io.LimitReader(conn, maxRequest)).Decode(&answer); err != nil {
		return fmt.Errorf("the agent does not answer: %w", err)
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	return nil
}
