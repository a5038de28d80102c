package guest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/stream"
)

// maxSessions bounds the description of all sessions, in bytes, and maxOutput
// one piece of output, which is base64 in JSON.
const (
	maxSessions = 1 << 20
	maxOutput   = 2*agentrpc.MaxOutputRead + 4<<10
)

// StartSession starts a session.
func (c Client) StartSession(ctx context.Context, req agentrpc.SessionStart) (agentrpc.SessionInfo, error) {
	return ask[agentrpc.SessionInfo](ctx, c, http.MethodPost, agentrpc.PathSessions, req, maxBody)
}

// Sessions returns all sessions that the agent knows.
func (c Client) Sessions(ctx context.Context) (agentrpc.SessionEvent, error) {
	return ask[agentrpc.SessionEvent](ctx, c, http.MethodGet, agentrpc.PathSessions, nil, maxSessions)
}

// StopSession ends a session, and returns when it has ended.
func (c Client) StopSession(ctx context.Context, id string, req agentrpc.SessionStop) (agentrpc.SessionInfo, error) {
	info, err := ask[agentrpc.SessionInfo](ctx, c, http.MethodPost, sessionPath(id, "stop"), req, maxBody)
	return info, gone(err)
}

// SignalSession sends a signal to a session.
func (c Client) SignalSession(ctx context.Context, id string, req agentrpc.SessionSignal) (agentrpc.SessionInfo, error) {
	info, err := ask[agentrpc.SessionInfo](ctx, c, http.MethodPost, sessionPath(id, "signal"), req, maxBody)
	return info, gone(err)
}

// RemoveSession makes the agent forget a session that has ended.
func (c Client) RemoveSession(ctx context.Context, id string) error {
	_, err := ask[struct{}](ctx, c, http.MethodDelete, sessionPath(id, ""), nil, maxBody)
	return err
}

// SendSession writes to a session's stdin.
func (c Client) SendSession(ctx context.Context, id string, p []byte, eof bool) error {
	target := sessionPath(id, "stdin")
	if eof {
		target += "?eof=true"
	}
	_, err := ask[struct{}](ctx, c, http.MethodPost, target, json.RawMessage(p), maxBody)
	return gone(err)
}

// OutputQuery says which output is wanted.
type OutputQuery struct {
	Stderr bool
	Offset int64
	Max    int
	Wait   time.Duration
}

// SessionOutput reads what a session wrote.
func (c Client) SessionOutput(ctx context.Context, id string, q OutputQuery) (agentrpc.SessionOutput, error) {
	query := url.Values{"stream": {"stdout"}, "offset": {strconv.FormatInt(q.Offset, 10)}}
	if q.Stderr {
		query.Set("stream", "stderr")
	}
	if q.Max > 0 {
		query.Set("max", strconv.Itoa(q.Max))
	}
	if q.Wait > 0 {
		query.Set("wait_ms", strconv.FormatInt(q.Wait.Milliseconds(), 10))
	}
	out, err := ask[agentrpc.SessionOutput](ctx, c, http.MethodGet, sessionPath(id, "output")+"?"+query.Encode(), nil, maxOutput)
	if err != nil {
		return agentrpc.SessionOutput{}, gone(err)
	}
	return coherent(out)
}

// AttachSession attaches to a session and returns the connection, upgraded to
// agentrpc.AttachProtocol: the caller exchanges frames on it and closes it. ctx
// bounds the start only.
func (c Client) AttachSession(ctx context.Context, id string, req agentrpc.SessionAttach) (net.Conn, error) {
	conn, resp, err := c.upgrade(ctx, sessionPath(id, "attach"), agentrpc.AttachProtocol, req, plainRefusal)
	if err != nil {
		return nil, gone(err)
	}
	return stream.Buffered(conn, resp.in), nil
}

// gone is the error for a session that banger knows and this agent does not.
func gone(err error) error {
	if !errors.Is(err, fault.NotFound) {
		return err
	}
	return fault.New(fault.Conflict, "the guest rebooted or its agent was replaced: the session ended and its output is lost")
}

// FollowSessions calls tell for each event, until ctx ends, tell returns an
// error, or the agent is gone. It always returns an error.
func (c Client) FollowSessions(ctx context.Context, tell func(agentrpc.SessionEvent) error) error {
	conn, resp, err := c.do(ctx, http.MethodGet, agentrpc.PathSessionEvents, "", nil)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if resp.status != http.StatusOK {
		return plainRefusal(resp)
	}
	lines := bufio.NewScanner(resp.body)
	lines.Buffer(make([]byte, 0, 4<<10), maxSessions)
	for lines.Scan() {
		var ev agentrpc.SessionEvent
		if err := json.Unmarshal(lines.Bytes(), &ev); err != nil {
			return fault.Wrap(fault.Unavailable, brief(err), "the guest's session events are malformed")
		}
		if err := tell(ev); err != nil {
			return err
		}
	}
	return fault.Wrap(fault.Unavailable, errors.Join(ctx.Err(), lines.Err(), io.EOF), "the guest's session events ended")
}

func sessionPath(id, verb string) string {
	path := agentrpc.PathSessions + "/" + url.PathEscape(id)
	if verb != "" {
		path += "/" + verb
	}
	return path
}

// ask sends a request and decodes its answer, of at most limit bytes. A
// json.RawMessage is sent as it is.
func ask[Out any](ctx context.Context, c Client, method, target string, in any, limit int64) (Out, error) {
	var out Out
	body, raw := in.(json.RawMessage)
	if in != nil && !raw {
		data, err := json.Marshal(in)
		if err != nil {
			return out, err
		}
		body = data
	}
	conn, resp, err := c.do(ctx, method, target, "", body)
	if err != nil {
		return out, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if resp.status/100 != 2 {
		return out, plainRefusal(resp)
	}
	data, err := io.ReadAll(io.LimitReader(resp.body, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("over %d bytes", limit)
	}
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		if ctx.Err() != nil {
			return out, c.unavailable(ctx, err)
		}
		return out, fault.Wrap(fault.Unavailable, brief(err), "the answer of the guest's agent is malformed")
	}
	return out, nil
}

// plainRefusal is the agent's error as a fault, in the agent's words alone.
func plainRefusal(resp *answer) error {
	err := refusal(resp)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		const prefix = "the guest's agent: "
		if len(f.Message) > len(prefix) && f.Message[:len(prefix)] == prefix {
			f.Message = f.Message[len(prefix):]
		}
	}
	return err
}
