package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// maxEvent bounds the data of one event, in bytes.
const maxEvent = 8 << 20

// event is one server-sent event (WHATWG HTML, 9.2 "Server-sent events"):
// its type and its data lines, joined by newlines.
type event struct {
	name string
	data []byte
}

// eventReader reads server-sent events with bounded memory.
type eventReader struct {
	lines *bufio.Scanner
	// lastID is the latest ID, which an event without data can have, too.
	lastID string
	// alive, if set, is called for each line.
	alive func()
}

func newEventReader(r io.Reader) *eventReader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 8<<10), maxEvent)
	return &eventReader{lines: lines}
}

// next returns the next event that has data. An event that the stream's end
// cuts off is dropped; then the error is io.ErrUnexpectedEOF or the stream's.
func (r *eventReader) next() (event, error) {
	var ev event
	for r.lines.Scan() {
		if r.alive != nil {
			r.alive()
		}
		line := bytes.TrimSuffix(r.lines.Bytes(), []byte("\r"))
		if len(line) == 0 {
			if len(ev.data) > 0 {
				ev.data = ev.data[:len(ev.data)-1]
				return ev, nil
			}
			ev = event{}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			r.lastID = string(value)
		case "event":
			ev.name = string(value)
		case "data":
			if len(ev.data)+len(value) > maxEvent {
				return event{}, bufio.ErrTooLong
			}
			ev.data = append(append(ev.data, value...), '\n')
		}
	}
	if err := r.lines.Err(); err != nil {
		return event{}, err
	}
	return event{}, io.ErrUnexpectedEOF
}

// nextOperation returns the next operation event and skips all others.
func (r *eventReader) nextOperation() (api.Operation, error) {
	for {
		ev, err := r.next()
		if err != nil {
			return api.Operation{}, err
		}
		if ev.name != api.OperationEvent {
			continue
		}
		var op api.Operation
		if err := json.Unmarshal(ev.data, &op); err != nil {
			return op, fault.Wrap(fault.Internal, err, "cannot read an event from bangerd")
		}
		return op, nil
	}
}
