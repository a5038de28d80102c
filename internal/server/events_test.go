package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/event"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/server"
	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/vm"
)

// running is the part of server.Sessions that events read.
type running struct {
	server.Sessions
	all []session.Session
}

func (running) VMAttention(vmID string) (string, session.Attention, bool) {
	a := session.Attention{State: session.NeedsInput, Why: session.Approval, Text: "may I?", Since: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	return "agent", a, vmID == "00000000000000aa"
}

func (r running) Current(context.Context) ([]session.Session, error) { return r.all, nil }

// streaming starts a server with a journal that a Feed writes to.
func streaming(t *testing.T, change ...func(*server.Options)) (*fixture, *event.Journal, *server.Feed) {
	t.Helper()
	j := event.New("e1", nil)
	f := start(t, append([]func(*server.Options){func(o *server.Options) {
		o.Services.Events = j
		o.Services.Sessions = running{all: []session.Session{{ID: "5e", VMID: "00000000000000aa", Name: "agent", State: session.Running}}}
	}}, change...)...)
	feed := server.NewFeed(j, 1000, func(id string) string {
		v, _ := f.Get(context.Background(), id)
		return v.Name
	}, slog.New(slog.DiscardHandler))
	return f, j, feed
}

// brief is an event in a few words.
func brief(ev api.Event) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s%s", ev.Kind, ev.Action, ev.Name, ev.Reason))
}

func TestAStreamBeginsWithAllThereIs(t *testing.T) {
	f, _, feed := streaming(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	for ev, err := range f.client.Events(ctx, client.EventOptions{Kinds: []string{"vm", "session", "kernel"}}) {
		if err != nil {
			break
		}
		got = append(got, brief(ev))
		if ev.Kind == api.EventLive {
			feed.VMChanged(vm.VM{ID: "00000000000000bb", Name: "idle", State: vm.Starting, Index: 301})
		}
		if ev.Kind == api.EventVM && ev.Action == api.ActionChanged {
			body, err := client.EventBody[api.VM](ev)
			if err != nil || body.State != "starting" || body.Address == "" || ev.ID != "e1-1" || ev.VMID != body.ID {
				t.Errorf("the event %+v has the body %+v, %v", ev, body, err)
			}
			cancel()
		}
	}
	want := "reset  start; vm present web; vm present idle; session present agent; live; vm changed idle"
	if all := strings.Join(got, "; "); all != want {
		t.Errorf("got  %s\nwant %s", all, want)
	}
}

func TestAStreamGoesOnAfterTheLastEvent(t *testing.T) {
	f, _, feed := streaming(t)
	for _, name := range []string{"a", "b", "c"} {
		feed.KernelDeleted(name)
	}
	for since, want := range map[string]string{
		"0": "kernel deleted a; kernel deleted b; kernel deleted c; live", "e1-2": "kernel deleted c; live", "3": "live",
		"e0-2": "reset  another daemon; live",
	} {
		var got []string
		for ev, err := range f.client.Events(t.Context(), client.EventOptions{Since: since, Kinds: []string{"kernel"}, Once: true}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, brief(ev))
		}
		if all := strings.Join(got, "; "); all != want {
			t.Errorf("since %s: %s, want %s", since, all, want)
		}
	}
	status, body := f.raw(t, "GET", "/v1/events?kinds=kernel&follow=false&since=0", "", "")
	if status != 200 || !strings.HasPrefix(body, "id: e1-1\nevent: kernel\ndata: {\"id\":\"e1-1\",") {
		t.Errorf("%d %s", status, body)
	}
	for _, query := range []string{"kinds=nope", "since=x", "follow=maybe"} {
		if status, body := f.raw(t, "GET", "/v1/events?"+query, "", ""); status != 422 {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
}

// The services' words become the API's.
func TestWhatTheFeedTells(t *testing.T) {
	f, _, feed := streaming(t)
	op := operation.Operation{ID: "0b", Kind: "vm.start", Subject: "web", State: operation.Running, Result: []byte(`"secret"`)}
	feed.OperationChanged(op)
	for _, stage := range []string{"check", "boot"} {
		op.Stages = append(op.Stages, operation.Stage{Name: stage})
		feed.OperationChanged(op)
	}
	op.State = operation.Succeeded
	feed.OperationChanged(op)
	sess := session.Session{ID: "5e", VMID: "00000000000000aa", Name: "agent", State: session.Starting}
	feed.SessionCreated(sess)
	sess.State = session.Running
	feed.SessionChanged(sess)
	sess.State = session.Exited
	feed.SessionChanged(sess)
	feed.SessionDeleted(sess)
	web := vm.VM{ID: "00000000000000aa", Name: "web"}
	feed.PortsChanged(web)
	feed.EgressHappened(web, vm.EgressRecord{Event: "deny", Address: "192.0.2.1"}, 0)
	feed.EgressHappened(web, vm.EgressRecord{Event: "ask", Name: "ok.example"}, 0)
	var got []string
	for ev, err := range f.client.Events(t.Context(), client.EventOptions{Since: "0", Once: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(ev.Body), "secret") {
			t.Errorf("an operation's result is in %s", ev.Body)
		}
		got = append(got, brief(ev))
	}
	want := "operation created web; operation changed web; operation ended web; " +
		"session created agent; session changed agent; session ended agent; session deleted agent; " +
		"ports changed web; egress denied 192.0.2.1; egress allowed ok.example; live"
	if all := strings.Join(got, "; "); all != want {
		t.Errorf("got  %s\nwant %s", all, want)
	}
}

func TestSamplesComeOnlyWhenAskedFor(t *testing.T) {
	f, _, _ := streaming(t)
	for ev, err := range f.client.Events(t.Context(), client.EventOptions{Kinds: []string{"sample"}}) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind != api.EventSample {
			continue
		}
		if body, err := client.EventBody[api.Stats](ev); err != nil || body.Name != "web" || ev.ID != "" {
			t.Errorf("a sample %+v, %v", ev, err)
		}
		break
	}
	for ev, err := range f.client.Events(t.Context(), client.EventOptions{Kinds: []string{"host"}}) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == api.EventLive || ev.Kind == api.EventReset {
			continue
		}
		if body, err := client.EventBody[api.HostStats](ev); err != nil || ev.Kind != api.EventHost || body.CPUs != 3 || ev.ID != "" {
			t.Errorf("a sample of the host %+v, %v", ev, err)
		}
		break
	}
	for ev, err := range f.client.Events(t.Context(), client.EventOptions{Once: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == api.EventSample || ev.Kind == api.EventHost {
			t.Errorf("a sample that nobody asked for: %+v", ev)
		}
	}
}

// connect opens a stream of events without a client that reads it.
func connect(t *testing.T, socket, query string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /v1/events?"+query+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestAReaderThatDoesNotReadIsCut(t *testing.T) {
	f, j, feed := streaming(t, func(o *server.Options) { o.ReaderTimeout = 100 * time.Millisecond })
	conn := connect(t, f.socket, "since=0")
	// Whoever does read hears all of it, undisturbed.
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for ev, err := range f.client.Events(t.Context(), client.EventOptions{Since: "0", Kinds: []string{"image", "vm"}}) {
			if err != nil || ev.Kind == api.EventImage {
				return
			}
		}
	}()
	large := vm.VM{ID: "00000000000000aa", Name: "web", Env: []string{"X=" + strings.Repeat("x", 30_000)}}
	for range 2000 { // 64 are kept; the socket holds less
		feed.VMChanged(large)
	}
	j.Publish(event.Event{Kind: event.Image, Name: "done"})
	<-heard
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	deadline := time.After(20 * time.Second)
	for { // all 256 places are free again once the server has let go of it
		open := make([]*event.Reader, 0, 256)
		for range 256 {
			if r, err := j.Read("", nil); err == nil {
				open = append(open, r)
			}
		}
		for _, r := range open {
			r.Close()
		}
		if len(open) == 256 {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("the stream still has its place")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the connection is not closed: %v", err)
	}
}

func TestVMsSayWhoNeedsThem(t *testing.T) {
	f := start(t)
	all, err := f.client.ListVMs(t.Context(), nil)
	if err != nil || len(all) != 2 || all[1].Attention != nil || all[0].Attention == nil {
		t.Fatalf("%+v, %v", all, err)
	}
	if a := *all[0].Attention; a.State != api.AttentionNeedsInput || a.Why != api.WhyApproval || a.Session != "agent" || a.Text != "may I?" || a.Since.IsZero() {
		t.Errorf("attention %+v", a)
	}
	if v, err := f.client.GetVM(t.Context(), "web"); err != nil || v.Attention == nil {
		t.Errorf("%+v, %v", v, err)
	}
}

// A thousand streams that come and go leave nothing.
func TestStreamsThatAreCutLeaveNothing(t *testing.T) {
	f, j, feed := streaming(t)
	feed.KernelDeleted("k")
	round := func(n int) {
		for range n {
			conn := connect(t, f.socket, "since=0&kinds=kernel,sample")
			if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			_ = conn.Close()
		}
	}
	settled := func() (goroutines int, heap uint64) {
		deadline := time.Now().Add(20 * time.Second)
		for goroutines = runtime.NumGoroutine(); time.Now().Before(deadline); goroutines = runtime.NumGoroutine() {
			if goroutines < 30 {
				break
			}
			runtime.Gosched()
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return goroutines, m.HeapAlloc
	}
	round(50)
	before, heapBefore := settled()
	round(1000)
	after, heapAfter := settled()
	if after > before+10 {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
	if heapAfter > heapBefore+4<<20 {
		t.Errorf("heap %d before, %d after", heapBefore, heapAfter)
	}
	t.Logf("1,000 streams: goroutines %d → %d, heap %d → %d kB", before, after, heapBefore>>10, heapAfter>>10)
	r, err := j.Read("", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
}

func TestTooManyStreamsAreRefused(t *testing.T) {
	f, j, _ := streaming(t)
	for range 256 {
		r, err := j.Read("", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
	}
	for _, err := range f.client.Events(t.Context(), client.EventOptions{}) {
		if !errors.Is(err, fault.Busy) {
			t.Errorf("got %v", err)
		}
	}
}
