package session_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agent/account"
	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agent/command/commandtest"
	"github.com/bangervm/banger/internal/agent/session"
	"github.com/bangervm/banger/internal/agentrpc"
)

const limit = 20 * time.Second

const testID = "0123456789abcdef"

func request(t *testing.T, argv ...string) session.Request {
	t.Helper()
	return session.Request{
		ID: testID,
		Spec: command.Spec{
			Argv: argv, Dir: t.TempDir(), User: account.Account{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())},
			Env: []string{"PATH=" + command.DefaultPath},
		},
	}
}

// start starts a session that is killed when the test ends.
func start(t *testing.T, req session.Request) *session.Session {
	t.Helper()
	r := session.New()
	if _, err := r.Start(req); err != nil {
		t.Fatal(err)
	}
	s, err := r.Get(req.ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(nil, 0) })
	return s
}

func ended(t *testing.T, s *session.Session) agentrpc.SessionInfo {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(limit):
		t.Fatal("the session does not end")
	}
	return s.Info()
}

func output(s *session.Session, stream agentrpc.Stream, offset int64) agentrpc.SessionOutput {
	return s.Output(nil, stream, offset, agentrpc.MaxOutputRead)
}

// peer is the client's side of an attachment.
type peer struct {
	t     *testing.T
	conn  net.Conn
	hello agentrpc.AttachGreeting
	a     *session.Attachment
}

// attach joins a client, as guestapi does.
func attach(t *testing.T, s *session.Session, req agentrpc.SessionAttach) *peer {
	t.Helper()
	a, hello, err := s.Attach(req)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	if err := ours.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			ft, payload, err := agentrpc.ReadAttachFrame(theirs, nil)
			if err == nil {
				err = a.Receive(ft, payload)
			}
			if errors.Is(err, agentrpc.ErrFrame) {
				a.Fail(err)
				return
			}
			if err != nil {
				a.Close()
				return
			}
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		defer func() { _ = theirs.Close() }()
		buf := make([]byte, session.FrameBuffer)
		for {
			frame, last := a.Next(buf)
			if _, err := theirs.Write(frame); err != nil || last {
				return
			}
		}
	}()
	t.Cleanup(func() {
		a.Close()
		_ = ours.Close()
		<-done
		<-done
	})
	return &peer{t: t, conn: ours, hello: hello, a: a}
}

func (p *peer) stdin(offset int64, text string) {
	p.t.Helper()
	p.write(agentrpc.AppendFrame(nil, agentrpc.AttachStdin, agentrpc.AppendOffset(nil, offset), []byte(text)))
}

func (p *peer) eof(offset int64) {
	p.t.Helper()
	p.write(agentrpc.AppendFrame(nil, agentrpc.AttachStdinEOF, agentrpc.AppendOffset(nil, offset)))
}

func (p *peer) write(frame []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(frame); err != nil {
		p.t.Fatal(err)
	}
}

// heard is what an attachment was sent until its last frame, or until enough.
type heard struct {
	text [2]bytes.Buffer
	lost [2]int64
	end  string
}

func (p *peer) listen(enough func(*heard) bool) *heard {
	p.t.Helper()
	h := &heard{}
	next := [2]int64{p.hello.Stdout, p.hello.Stderr}
	for enough == nil || !enough(h) {
		ft, payload, err := agentrpc.ReadAttachFrame(p.conn, nil)
		if err != nil {
			p.t.Fatalf("after %q: %v", h.text[0].String(), err)
		}
		switch ft {
		case agentrpc.AttachStdout, agentrpc.AttachStderr:
			stream := ft - agentrpc.AttachStdout
			offset, data, err := agentrpc.ParseOffset(payload)
			if err != nil || offset != next[stream] {
				p.t.Fatalf("output at %d, want %d (%v)", offset, next[stream], err)
			}
			next[stream] += int64(len(data))
			h.text[stream].Write(data)
		case agentrpc.AttachLost:
			stream, from, to, err := agentrpc.ParseLost(payload)
			if err != nil || from != next[stream] {
				p.t.Fatalf("lost %d to %d, want from %d (%v)", from, to, next[stream], err)
			}
			h.lost[stream] += to - from
			next[stream] = to
		case agentrpc.AttachEnd:
			h.end = string(payload)
			return h
		default: // greetings and acknowledgements
		}
	}
	return h
}

func (h *heard) has(text string) bool { return strings.Contains(h.text[0].String(), text) }

func TestSessionKeepsItsOutputByStream(t *testing.T) {
	s := start(t, request(t, "sh", "-c", "printf out; printf err >&2; exit 3"))
	info := ended(t, s)
	if info.State != agentrpc.SessionExited || info.ExitCode != 3 || info.StdoutBytes != 3 || info.StderrBytes != 3 || info.Error != "err" {
		t.Errorf("%+v", info)
	}
	if out := output(s, agentrpc.Stdout, 1); string(out.Data) != "ut" || out.Offset != 1 || !out.Ended {
		t.Errorf("stdout from 1: %+v", out)
	}
	if out := output(s, agentrpc.Stderr, agentrpc.FromOldest); string(out.Data) != "err" {
		t.Errorf("stderr: %+v", out)
	}
}

func TestWhatASessionLeftRunningGoesOn(t *testing.T) {
	left := commandtest.NewLeftover(t)
	s := start(t, request(t, "sh", "-c", left.Script("", "")))
	if info := ended(t, s); info.ExitCode != 0 {
		t.Errorf("status %d", info.ExitCode)
	}
	if !left.Survives() {
		t.Error("it died at its first output")
	}
}

func TestOutputBeyondTheLimitDropsTheOldest(t *testing.T) {
	req := request(t, "sh", "-c", "yes 0123456789abcde | head -c 1600000")
	req.KeepBytes = agentrpc.MinKeep
	s := start(t, req)
	info := ended(t, s)
	if info.StdoutBytes != 1600000 || info.StdoutDropped != 1600000-agentrpc.MinKeep {
		t.Errorf("%d bytes, %d dropped", info.StdoutBytes, info.StdoutDropped)
	}
	h := attach(t, s, agentrpc.SessionAttach{ReadOnly: true}).listen(nil)
	if h.lost[0] != info.StdoutDropped || h.text[0].Len() != agentrpc.MinKeep || !strings.HasPrefix(h.text[0].String(), "0123456789abcde\n") {
		t.Errorf("lost %d, got %d bytes", h.lost[0], h.text[0].Len())
	}
}

// An attached reader that keeps up gets all, however little is kept.
func TestAReaderThatKeepsUpLosesNothing(t *testing.T) {
	req := request(t, "sh", "-c", "read go; head -c 20000000 /dev/zero")
	req.KeepBytes = agentrpc.MinKeep
	s := start(t, req)
	p := attach(t, s, agentrpc.SessionAttach{Writer: "w"})
	p.stdin(0, "go\n")
	if h := p.listen(nil); h.text[0].Len() != 20000000 || h.lost[0] != 0 {
		t.Errorf("%d bytes, %d lost", h.text[0].Len(), h.lost[0])
	}
}

// One that stands still holds nobody up for long, and is told what it missed.
func TestAReaderThatStandsStillDoesNotHoldTheSession(t *testing.T) {
	req := request(t, "head", "-c", "20000000", "/dev/zero")
	req.KeepBytes = agentrpc.MinKeep
	s := start(t, req)
	p := attach(t, s, agentrpc.SessionAttach{ReadOnly: true})
	began := time.Now()
	ended(t, s)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("held up for %s", took)
	}
	h := p.listen(nil)
	if got := int64(h.text[0].Len()) + h.lost[0]; got != 20000000 || h.lost[0] == 0 {
		t.Errorf("%d bytes and %d lost", h.text[0].Len(), h.lost[0])
	}
}

func TestInputThatCameBeforeIsDropped(t *testing.T) {
	s := start(t, request(t, "cat"))
	p := attach(t, s, agentrpc.SessionAttach{Writer: "me"})
	p.stdin(0, "hello ")
	p.listen(func(h *heard) bool { return h.has("hello ") })
	again := attach(t, s, agentrpc.SessionAttach{Writer: "me", Stdout: 6})
	if again.hello.Stdin != 6 || again.hello.Stdout != 6 {
		t.Errorf("greeting %+v", again.hello)
	}
	if h := p.listen(nil); !strings.Contains(h.end, agentrpc.EndReplaced) {
		t.Errorf("the former connection ended with %q", h.end)
	}
	again.stdin(0, "hello wor")
	again.stdin(3, "lo world")
	again.eof(11)
	if h := again.listen(nil); h.text[0].String() != "world" || !strings.Contains(h.end, agentrpc.EndExited) {
		t.Errorf("got %q, %s", h.text[0].String(), h.end)
	}
	if out := output(s, agentrpc.Stdout, 0); string(out.Data) != "hello world" {
		t.Errorf("the command had %q", out.Data)
	}
}

func TestThereIsOneWriter(t *testing.T) {
	s := start(t, request(t, "cat"))
	p := attach(t, s, agentrpc.SessionAttach{Writer: "one"})
	if _, _, err := s.Attach(agentrpc.SessionAttach{Writer: "two"}); code(err) != session.Conflict {
		t.Errorf("a second writer: %v", err)
	}
	if _, _, err := s.Attach(agentrpc.SessionAttach{}); code(err) != session.Invalid {
		t.Errorf("a writer without a name: %v", err)
	}
	reader := attach(t, s, agentrpc.SessionAttach{ReadOnly: true})
	p.stdin(0, "to all\n")
	reader.listen(func(h *heard) bool { return h.has("to all\n") })
	reader.stdin(0, "not allowed")
	if h := reader.listen(nil); !strings.Contains(h.end, agentrpc.EndError) {
		t.Errorf("a reader that writes: %q", h.end)
	}
	p.a.Close()
	attach(t, s, agentrpc.SessionAttach{Writer: "two"})
}

func code(err error) session.Code {
	if e := (*session.Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestBreachesOfTheProtocolEndTheAttachmentOnly(t *testing.T) {
	for name, frame := range map[string][]byte{
		"a hole in the input": agentrpc.AppendFrame(nil, agentrpc.AttachStdin, agentrpc.AppendOffset(nil, 7), []byte("x")),
		"no offset":           agentrpc.AppendFrame(nil, agentrpc.AttachStdin, []byte("x")),
		"a size of one byte":  agentrpc.AppendFrame(nil, agentrpc.AttachResize, []byte("x")),
		"the agent's frame":   agentrpc.AppendFrame(nil, agentrpc.AttachAck, agentrpc.AppendOffset(nil, 0)),
		"no frame at all":     {99, 0, 0, 0, 0},
		"too much":            {1, 0xff, 0xff, 0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, request(t, "cat"))
			p := attach(t, s, agentrpc.SessionAttach{Writer: "w"})
			p.write(frame)
			if h := p.listen(nil); !strings.Contains(h.end, agentrpc.EndError) {
				t.Errorf("ended with %q", h.end)
			}
			if info := s.Info(); info.State != agentrpc.SessionRunning {
				t.Errorf("the session is %s", info.State)
			}
		})
	}
}

// The window bounds what a writer can make the agent hold.
func TestAWriterCannotExceedItsWindow(t *testing.T) {
	s := start(t, request(t, "sleep", "1000"))
	p := attach(t, s, agentrpc.SessionAttach{Writer: "w"})
	go func() { // the agent stops reading when it has had enough
		piece := bytes.Repeat([]byte("x"), agentrpc.MaxAttachData)
		for i := range 20 {
			frame := agentrpc.AppendFrame(nil, agentrpc.AttachStdin, agentrpc.AppendOffset(nil, int64(i*len(piece))), piece)
			if _, err := p.conn.Write(frame); err != nil {
				return
			}
		}
	}()
	if h := p.listen(nil); !strings.Contains(h.end, agentrpc.EndError) {
		t.Errorf("ended with %q", h.end)
	}
}

func TestSendsArriveWhole(t *testing.T) {
	s := start(t, request(t, "cat"))
	pieces := make(chan error, 8)
	for i := range 8 {
		go func() {
			var err error
			for range 4 {
				err = errors.Join(err, s.Send(bytes.Repeat([]byte{byte('a' + i)}, 16<<10), false))
			}
			pieces <- err
		}()
	}
	for range 8 {
		if err := <-pieces; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Send(nil, true); err != nil {
		t.Fatal(err)
	}
	ended(t, s)
	var all []byte
	for int64(len(all)) < s.Info().StdoutBytes {
		all = append(all, output(s, agentrpc.Stdout, int64(len(all))).Data...)
	}
	if len(all) != 8*4*16<<10 {
		t.Fatalf("%d bytes", len(all))
	}
	for at := 0; at < len(all); at += 16 << 10 {
		if piece := all[at : at+16<<10]; bytes.Count(piece, piece[:1]) != len(piece) {
			t.Errorf("the piece at %d is mixed", at)
		}
	}
	if err := s.Send([]byte("x"), false); code(err) != session.Conflict {
		t.Errorf("send to an ended session: %v", err)
	}
	if err := s.Send(make([]byte, agentrpc.MaxSend+1), false); code(err) != session.Invalid {
		t.Errorf("a send too large: %v", err)
	}
}

func TestSendsToACommandThatDoesNotReadAreRefusedInTime(t *testing.T) {
	s := start(t, request(t, "sleep", "1000"))
	var err error
	for range 40 {
		if err = s.Send(make([]byte, agentrpc.MaxSend), false); err != nil {
			break
		}
	}
	if code(err) != session.Busy {
		t.Errorf("send = %v", err)
	}
}

func TestStopReachesTheWholeGroup(t *testing.T) {
	req := request(t, "sh", "-c", `(trap "" TERM; echo up; sleep 1000) & wait`)
	s := start(t, req)
	attach(t, s, agentrpc.SessionAttach{ReadOnly: true}).listen(func(h *heard) bool { return h.has("up") })
	group := s.Info().PID
	s.Stop(nil, 300*time.Millisecond)
	ended(t, s)
	deadline := time.After(limit)
	for processes(t, group) > 0 {
		select {
		case <-deadline:
			t.Fatalf("%d processes of the group live on", processes(t, group))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// processes counts the living members of a process group.
func processes(t *testing.T, group int) int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if len(fields) > 2 && fields[2] == itoa(group) && fields[0] != "Z" {
			n++
		}
	}
	return n
}

func TestStartDiagnoses(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/no/interpreter -x\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "bare")
	if err := os.WriteFile(bare, []byte("echo hello\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*session.Request)
		want   []string
	}{
		"directory missing":   {func(r *session.Request) { r.Spec.Dir = "/no/such" }, []string{"/no/such", "does not exist"}},
		"not a directory":     {func(r *session.Request) { r.Spec.Dir = script }, []string{script, "not a directory"}},
		"command missing":     {func(r *session.Request) { r.Spec.Argv = []string{"no-such"} }, []string{"no-such", "looked in", "/usr/bin"}},
		"requirement missing": {func(r *session.Request) { r.Require = []string{"sh", "a-b", "c-d"} }, []string{"a-b", "c-d", "looked in"}},
		"interpreter missing": {func(r *session.Request) { r.Spec.Argv = []string{script} }, []string{"/no/interpreter"}},
		"no first line":       {func(r *session.Request) { r.Spec.Argv = []string{bare} }, []string{"names no interpreter", "sh " + bare}},
		"no command":          {func(r *session.Request) { r.Spec.Argv = nil }, []string{"no command"}},
		"no id":               {func(r *session.Request) { r.ID = "../x" }, []string{"not a session id"}},
	} {
		t.Run(name, func(t *testing.T) {
			req := request(t, "true")
			tc.change(&req)
			r := session.New()
			_, err := r.Start(req)
			if code(err) != session.Invalid {
				t.Fatalf("Start = %v", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if n := len(r.List().Sessions); n != 0 {
				t.Errorf("%d sessions are left", n)
			}
		})
	}
}

func TestStartIsIdempotent(t *testing.T) {
	r := session.New()
	first, err := r.Start(request(t, "sleep", "1000"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Start(request(t, "sleep", "1000"))
	if err != nil || second.PID != first.PID {
		t.Errorf("%+v, %v; want process %d", second, err, first.PID)
	}
	if err := r.Remove(testID); code(err) != session.Conflict {
		t.Errorf("removing a running session: %v", err)
	}
	s, err := r.Get(testID)
	if err != nil {
		t.Fatal(err)
	}
	s.Stop(nil, 0)
	if err := r.Remove(testID); err != nil {
		t.Error(err)
	}
	if _, err := r.Get(testID); code(err) != session.NotFound {
		t.Errorf("after its removal: %v", err)
	}
}

func TestWatchersHearOfEachChange(t *testing.T) {
	r := session.New()
	events := make(chan agentrpc.SessionEvent, 16)
	done := make(chan struct{})
	watched := make(chan error, 1)
	go func() {
		watched <- r.Watch(done, func(ev agentrpc.SessionEvent) error { events <- ev; return nil })
	}()
	if ev := <-events; !ev.Snapshot || len(ev.Sessions) != 0 || ev.Agent == "" {
		t.Errorf("first %+v", ev)
	}
	if _, err := r.Start(request(t, "sh", "-c", "exit 5")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(limit); ; {
		select {
		case ev := <-events:
			if len(ev.Sessions) != 1 || ev.Snapshot {
				t.Fatalf("%+v", ev)
			}
			if s := ev.Sessions[0]; s.State == agentrpc.SessionExited {
				if s.ExitCode != 5 {
					t.Errorf("exit code %d", s.ExitCode)
				}
				close(done)
				if err := <-watched; err != nil {
					t.Error(err)
				}
				return
			}
		case <-deadline:
			t.Fatal("the end is not told")
		}
	}
}

func TestWhatAStoppedSessionSaidIsNotWhyItEnded(t *testing.T) {
	s := start(t, request(t, "sh", "-c", "echo busy; exec sleep 1000"))
	attach(t, s, agentrpc.SessionAttach{ReadOnly: true}).listen(func(h *heard) bool { return h.has("busy") })
	s.Stop(nil, limit)
	if info := ended(t, s); info.Signal != "TERM" || info.Error != "" {
		t.Errorf("%+v; want ended by TERM, for no reason of its own", info)
	}
}
