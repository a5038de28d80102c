package daemon

import (
	"context"
	"net"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/guest"
	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/vm"
)

// sessionVMs implements session.VMs on the service that is made after it.
type sessionVMs struct{ d *daemon }

func (v sessionVMs) Get(ctx context.Context, name string) (vm.VM, error) {
	return v.d.vms.Get(ctx, name)
}

// AttachSession implements server.Guests.
func (g guests) AttachSession(ctx context.Context, vmID, id string, req agentrpc.SessionAttach) (net.Conn, error) {
	client, err := g.client(vmID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, guest.AnswerTimeout)
	defer cancel()
	return client.AttachSession(ctx, id, req)
}

// asked calls a guest's agent within the usual time.
func asked[T any](ctx context.Context, g guests, vmID string, extra time.Duration, call func(context.Context, guest.Client) (T, error)) (T, error) {
	client, err := g.client(vmID)
	if err != nil {
		var none T
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, guest.AnswerTimeout+extra)
	defer cancel()
	return call(ctx, client)
}

// StartSession implements session.Guests.
func (g guests) StartSession(ctx context.Context, vmID, id string, req session.StartRequest) (session.Report, error) {
	return asked(ctx, g, vmID, 0, func(ctx context.Context, c guest.Client) (session.Report, error) {
		info, err := c.StartSession(ctx, agentrpc.SessionStart{
			ID: id, Command: req.Command, Dir: req.Dir, Env: req.Env, User: req.User, Require: req.Require,
			TTY: req.Mode == session.TTY, Rows: req.Rows, Cols: req.Cols, KeepBytes: req.KeepBytes,
			Credentials: (*agentrpc.Credentials)(req.Credentials),
		})
		return report(info), err
	})
}

// ListSessions implements session.Guests.
func (g guests) ListSessions(ctx context.Context, vmID string) ([]session.Report, error) {
	return asked(ctx, g, vmID, 0, func(ctx context.Context, c guest.Client) ([]session.Report, error) {
		ev, err := c.Sessions(ctx)
		return sessionEvent(ev).Reports, err
	})
}

// FollowSessions implements session.Guests.
func (g guests) FollowSessions(ctx context.Context, vmID string, tell func(session.Event) error) error {
	client, err := g.client(vmID)
	if err != nil {
		return err
	}
	return client.FollowSessions(ctx, func(ev agentrpc.SessionEvent) error { return tell(sessionEvent(ev)) })
}

// StopSession implements session.Guests.
func (g guests) StopSession(ctx context.Context, vmID, id string, timeout time.Duration) (session.Report, error) {
	return asked(ctx, g, vmID, timeout, func(ctx context.Context, c guest.Client) (session.Report, error) {
		info, err := c.StopSession(ctx, id, agentrpc.SessionStop{TimeoutMillis: timeout.Milliseconds()})
		return report(info), err
	})
}

// SignalSession implements session.Guests.
func (g guests) SignalSession(ctx context.Context, vmID, id, signal string) error {
	_, err := asked(ctx, g, vmID, 0, func(ctx context.Context, c guest.Client) (agentrpc.SessionInfo, error) {
		return c.SignalSession(ctx, id, agentrpc.SessionSignal{Signal: signal})
	})
	return err
}

// RemoveSession implements session.Guests.
func (g guests) RemoveSession(ctx context.Context, vmID, id string) error {
	_, err := asked(ctx, g, vmID, 0, func(ctx context.Context, c guest.Client) (struct{}, error) {
		return struct{}{}, c.RemoveSession(ctx, id)
	})
	return err
}

// SendSession implements session.Pipes.
func (g guests) SendSession(ctx context.Context, vmID, id string, p []byte, eof bool) error {
	_, err := asked(ctx, g, vmID, 0, func(ctx context.Context, c guest.Client) (struct{}, error) {
		return struct{}{}, c.SendSession(ctx, id, p, eof)
	})
	return err
}

// ReadSession implements session.Pipes.
func (g guests) ReadSession(ctx context.Context, vmID, id string, req session.OutputRequest) (session.Output, error) {
	return asked(ctx, g, vmID, req.Wait, func(ctx context.Context, c guest.Client) (session.Output, error) {
		out, err := c.SessionOutput(ctx, id, guest.OutputQuery(req))
		return session.Output(out), err
	})
}

func sessionEvent(ev agentrpc.SessionEvent) session.Event {
	out := session.Event{Snapshot: ev.Snapshot, Reports: make([]session.Report, 0, len(ev.Sessions))}
	for _, info := range ev.Sessions {
		out.Reports = append(out.Reports, report(info))
	}
	return out
}

func report(i agentrpc.SessionInfo) session.Report {
	return session.Report{
		ID: i.ID, Exited: i.State == agentrpc.SessionExited, ExitCode: i.ExitCode, Signal: i.Signal, Error: i.Error, Warning: i.Warning, Dir: i.Dir,
		Writer: i.Writer, Readers: i.Readers, StdinBytes: i.StdinBytes, StdoutBytes: i.StdoutBytes, StderrBytes: i.StderrBytes,
		StdoutDropped: i.StdoutDropped, StderrDropped: i.StderrDropped, StartedAt: i.StartedAt, EndedAt: i.EndedAt,
		Signals: signals(i.Signals),
	}
}

func signals(s *agentrpc.SessionSignals) *session.Signals {
	if s == nil {
		return nil
	}
	out := &session.Signals{
		Active: s.Active, ActiveSince: s.ActiveSince, OutputAt: s.OutputAt, InputAt: s.InputAt,
		Reading: s.Reading, ReadingLeader: s.ReadingLeader, ReadingSince: s.ReadingSince, Reader: s.Reader,
	}
	if n := s.Notice; n != nil {
		out.Notice = &session.Notice{Text: n.Text, At: n.At, OutputAfter: n.OutputAfter}
	}
	if said := s.Said; said != nil {
		out.Said = &session.Said{State: said.State, Why: said.Why, Text: said.Text, At: said.At}
	}
	return out
}
