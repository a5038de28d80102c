package mcp

import (
	"encoding/json"
	"io"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// calls are the client's requests that have no answer yet. It stands between the
// client and the SDK, which forgets answers once the client's input has ended, and
// answers what the client has cancelled.
type calls struct {
	out io.WriteCloser

	writing sync.Mutex // held for each line
	mu      sync.Mutex
	open    map[jsonrpc.ID]bool // false: cancelled, so nobody waits for the answer
	idle    chan struct{}       // closed when open is empty; nil: nobody waits
}

func newCalls(out io.WriteCloser) *calls {
	return &calls{out: out, open: map[jsonrpc.ID]bool{}}
}

// came notes a message of the client's.
func (c *calls) came(m jsonrpc.Message) {
	req, ok := m.(*jsonrpc.Request)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if req.IsCall() {
		c.open[req.ID] = true
		return
	}
	var params struct{ RequestID any }
	if req.Method != "notifications/cancelled" || json.Unmarshal(req.Params, &params) != nil {
		return
	}
	if id, err := jsonrpc.MakeID(params.RequestID); err == nil && c.open[id] {
		c.open[id] = false
	}
}

// Write writes one line to the client: all of one message. The answer to what was
// cancelled is not sent.
func (c *calls) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	answer, ok := answerIn(p)
	if ok {
		defer c.answered(answer.ID)
		if c.unwanted(answer.ID) {
			return len(p), nil
		}
	}
	return c.out.Write(p)
}

// Close is part of io.Closer.
func (c *calls) Close() error { return c.out.Close() }

func answerIn(line []byte) (*jsonrpc.Response, bool) {
	m, err := jsonrpc.DecodeMessage(line)
	if err != nil {
		return nil, false
	}
	answer, ok := m.(*jsonrpc.Response)
	return answer, ok
}

func (c *calls) unwanted(id jsonrpc.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted, open := c.open[id]
	return open && !wanted
}

func (c *calls) answered(id jsonrpc.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, id)
	if len(c.open) == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
}

// allAnswered is closed when every request that came has its answer. No more may come.
func (c *calls) allAnswered() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	idle := make(chan struct{})
	if len(c.open) == 0 {
		close(idle)
	} else {
		c.idle = idle
	}
	return idle
}
