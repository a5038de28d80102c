package monitor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/plain"
)

const (
	// maxRecords is how many records wait for a slow disk; recordBatch how many
	// bytes are written at once.
	maxRecords  = 1024
	recordBatch = 32 << 10
	// recordWait is how long a record waits for others: written one by one, those
	// of many short connections would slow each of these.
	recordWait = 50 * time.Millisecond
)

// recordLog writes egress records to a log, one JSON object a line. Whoever
// has one never waits: what finds no room is dropped, and the log says how many.
type recordLog struct {
	to      io.WriteCloser
	records chan monitorrpc.Record
	dropped atomic.Int64
	end     chan struct{}
	writer  sync.WaitGroup
}

// newRecordLog writes to to, which Close closes.
func newRecordLog(to io.WriteCloser) *recordLog {
	l := &recordLog{to: to, records: make(chan monitorrpc.Record, maxRecords), end: make(chan struct{})}
	l.writer.Go(l.write)
	return l
}

// Log takes one record. It never waits.
func (l *recordLog) Log(r monitorrpc.Record) {
	select {
	case l.records <- r:
	default:
		l.dropped.Add(1)
	}
}

func (l *recordLog) write() {
	var out bytes.Buffer
	for {
		select {
		case r := <-l.records:
			encode(&out, r)
		case <-l.end:
			l.batch(&out)
			return
		}
		select {
		case <-time.After(recordWait):
		case <-l.end: // the next round ends
		}
		l.batch(&out)
	}
}

// batch writes what out has and what is there already.
func (l *recordLog) batch(out *bytes.Buffer) {
	for more := true; more; {
		select {
		case r := <-l.records:
			encode(out, r)
		default:
			more = false
		}
		if n := l.dropped.Swap(0); n > 0 {
			encode(out, monitorrpc.Record{
				At: time.Now().UTC(), Event: monitorrpc.EventLost, Reason: fmt.Sprintf("lost %d records: the disk is slow", n),
			})
		}
		if out.Len() > recordBatch || !more {
			_, _ = l.to.Write(out.Bytes()) // a full disk loses records
			out.Reset()
		}
	}
}

// plainRecord is a record without what a guest could do to a terminal.
func plainRecord(r monitorrpc.Record) monitorrpc.Record {
	r.Name, r.Reason, r.Process = plain.Line(r.Name, maxName), plain.Line(r.Reason, maxWord), plain.Line(r.Process, maxWord)
	return r
}

func encode(out *bytes.Buffer, r monitorrpc.Record) {
	if line, err := json.Marshal(plainRecord(r)); err == nil {
		out.Write(line)
		out.WriteByte('\n')
	}
}

// Close writes what waits and closes the log.
func (l *recordLog) Close() error {
	close(l.end)
	l.writer.Wait()
	return l.to.Close()
}
