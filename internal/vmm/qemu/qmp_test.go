package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/vmm"
)

// fakeQMP answers commands as script says, after a greeting.
func fakeQMP(t *testing.T, greeting string, answer func(command string, id int) string) net.Conn {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = theirs.Close() })
	go func() {
		defer func() { _ = theirs.Close() }()
		if _, err := io.WriteString(theirs, greeting); err != nil {
			return
		}
		for lines := bufio.NewScanner(theirs); lines.Scan(); {
			var req struct {
				Execute string `json:"execute"`
				ID      int    `json:"id"`
			}
			if json.Unmarshal(lines.Bytes(), &req) != nil {
				return
			}
			if _, err := io.WriteString(theirs, answer(req.Execute, req.ID)); err != nil {
				return
			}
		}
	}()
	return ours
}

const greeting = `{"QMP": {"version": {}, "capabilities": []}}` + "\n"

func TestQMP(t *testing.T) {
	events := make(chan qmpEvent, 8)
	conn := fakeQMP(t, greeting, func(command string, id int) string {
		switch command {
		case "stop":
			return `{"event":"STOP","data":{}}` + "\n" + fmt.Sprintf(`{"return":{},"id":%d}`+"\n", id)
		case "bad":
			return fmt.Sprintf(`{"error":{"class":"GenericError","desc":"no such thing"},"id":%d}`+"\n", id)
		case "late": // the answer to an earlier command comes first
			return fmt.Sprintf(`{"return":{},"id":%d}`+"\n"+`{"return":{},"id":%d}`+"\n", id-1, id)
		case "silence":
			return ""
		default:
			return fmt.Sprintf(`{"return":{},"id":%d}`+"\n", id)
		}
	})
	q, err := openQMP(t.Context(), conn, func(e qmpEvent) { events <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer q.close()
	if err := q.execute(t.Context(), "stop", nil); err != nil {
		t.Error(err)
	}
	select {
	case e := <-events:
		if e.Name != "STOP" {
			t.Errorf("event %s", e.Name)
		}
	default:
		t.Error("the event did not come before the reply")
	}
	if err := q.execute(t.Context(), "bad", nil); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("bad gave %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := q.execute(ctx, "silence", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silence gave %v", err)
	}
	if err := q.execute(t.Context(), "late", nil); err != nil {
		t.Errorf("late gave %v", err)
	}
	q.close()
	if err := q.execute(t.Context(), "cont", nil); err == nil {
		t.Error("a command after the end gave no error")
	}
}

func TestQMPOfSomethingElse(t *testing.T) {
	for _, text := range []string{"", "SSH-2.0\n", "{}\n", strings.Repeat("x", maxQMPLine+1)} {
		conn := fakeQMP(t, text, func(string, int) string { return "" })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if q, err := openQMP(ctx, conn, func(qmpEvent) {}); err == nil {
			q.close()
			t.Errorf("the greeting %.20q was taken", text)
		}
		cancel()
	}
}

func FuzzQMPEvents(f *testing.F) {
	f.Add([]byte(`{"event":"BLOCK_IO_ERROR","data":{"action":"stop","nospace":true,"node-name":"x"}}` + "\n"))
	f.Add([]byte(`{"event":"SHUTDOWN","data":{"guest":true,"reason":"guest-reset"}}` + "\n" + `{"return":1,"id":7}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		m := &Machine{events: make(chan vmm.Event)}
		go func() {
			for range m.events {
			}
		}()
		go func() {
			_, _ = io.WriteString(theirs, greeting+`{"return":{},"id":1}`+"\n")
			_, _ = theirs.Write(data)
			_ = theirs.Close()
		}()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		if q, err := openQMP(t.Context(), ours, m.onEvent); err == nil {
			<-q.done
			q.close()
		}
		close(m.events)
	})
}
