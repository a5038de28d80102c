package mcp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// The errors of JSON-RPC 2.0 for a line that is no message.
const (
	codeParse   = -32700
	codeRequest = -32600
)

// messages passes on those lines of the client that are messages, and answers
// the others, so that one bad line does not end the server. A batch becomes its
// messages. They end when the client's do and all of them are answered, or closed is.
type messages struct {
	in     *bufio.Reader
	closer io.Closer
	calls  *calls
	closed <-chan struct{}
	ready  bytes.Buffer // what Read has still to give
}

func newMessages(in io.ReadCloser, calls *calls, closed <-chan struct{}) *messages {
	return &messages{in: bufio.NewReaderSize(in, 64<<10), closer: in, calls: calls, closed: closed}
}

// Read is part of io.Reader.
func (m *messages) Read(p []byte) (int, error) {
	for m.ready.Len() == 0 {
		line, err := m.line()
		if err != nil {
			select {
			case <-m.calls.allAnswered():
			case <-m.closed:
			}
			return 0, err
		}
		if err := m.take(line); err != nil {
			return 0, err
		}
	}
	return m.ready.Read(p)
}

// Close is part of io.Closer.
func (m *messages) Close() error { return m.closer.Close() }

// line returns the next line without its end; one that is too long is nil.
func (m *messages) line() ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := m.in.ReadSlice('\n')
		if len(line)+len(part) > maxMessage {
			long, line = true, nil
		}
		if !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && len(line) == 0 && !long:
			return nil, err
		case long:
			return nil, m.refuse(codeRequest, fmt.Sprintf("the message is larger than %d MiB", maxMessage>>20))
		}
		return append(bytes.TrimSpace(line), '\n'), nil
	}
}

// take passes a line on, or answers it.
func (m *messages) take(line []byte) error {
	text := bytes.TrimSpace(line)
	if len(text) == 0 {
		return nil
	}
	batch := []json.RawMessage{text}
	if !json.Valid(text) {
		return m.refuse(codeParse, "the line is not JSON; send one JSON-RPC message a line")
	}
	if text[0] == '[' {
		if err := json.Unmarshal(text, &batch); err != nil || len(batch) == 0 {
			return m.refuse(codeRequest, "the batch is empty")
		}
	}
	for _, one := range batch {
		message, err := jsonrpc.DecodeMessage(one)
		if err != nil {
			if err := m.refuse(codeRequest, "not a JSON-RPC 2.0 request: "+err.Error()); err != nil {
				return err
			}
			continue
		}
		m.calls.came(message)
		if err := json.Compact(&m.ready, one); err != nil {
			return err
		}
		m.ready.WriteByte('\n')
	}
	return nil
}

// refuse answers a line of which no id is known.
func (m *messages) refuse(code int, message string) error {
	answer, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": nil, "error": map[string]any{"code": code, "message": message},
	})
	if err == nil {
		_, err = m.calls.Write(append(answer, '\n'))
	}
	return err
}
