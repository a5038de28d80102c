package guestapi_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agent/command/commandtest"
	"github.com/bangervm/banger/internal/agentrpc"
)

func TestExecExits(t *testing.T) {
	for name, tc := range map[string]struct {
		req            agentrpc.ExecRequest
		stdout, stderr string
		last           agentrpc.FrameType
		status         int
	}{
		"true":   {agentrpc.ExecRequest{Command: []string{"true"}}, "", "", agentrpc.FrameExit, 0},
		"status": {agentrpc.ExecRequest{Command: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}}, "out\n", "err\n", agentrpc.FrameExit, 7},
		"signal": {agentrpc.ExecRequest{Command: []string{"sh", "-c", "kill -KILL $$"}}, "", "", agentrpc.FrameExit, 137},
		"environment": {
			agentrpc.ExecRequest{Command: []string{"sh", "-c", "echo $FROM_IMAGE $MINE"}, Env: []string{"MINE=too"}},
			"yes too\n", "", agentrpc.FrameExit, 0,
		},
		"directory":      {agentrpc.ExecRequest{Command: []string{"pwd"}, Dir: "/usr"}, "/usr\n", "", agentrpc.FrameExit, 0},
		"empty stdin":    {agentrpc.ExecRequest{Command: []string{"cat"}}, "", "", agentrpc.FrameExit, 0},
		"missing":        {agentrpc.ExecRequest{Command: []string{"no-such-program"}}, "", "", agentrpc.FrameError, 127},
		"missing path":   {agentrpc.ExecRequest{Command: []string{"/no/such"}}, "", "", agentrpc.FrameError, 127},
		"not executable": {agentrpc.ExecRequest{Command: []string{"/etc/passwd"}}, "", "", agentrpc.FrameError, 126},
		"a directory":    {agentrpc.ExecRequest{Command: []string{"/etc"}}, "", "", agentrpc.FrameError, 126},
		"no directory":   {agentrpc.ExecRequest{Command: []string{"true"}, Dir: "/no/such"}, "", "", agentrpc.FrameError, 126},
		"relative":       {agentrpc.ExecRequest{Command: []string{"true"}, Dir: "usr"}, "", "", agentrpc.FrameError, 126},
		"no command":     {agentrpc.ExecRequest{}, "", "", agentrpc.FrameError, 127},
		"unknown user":   {agentrpc.ExecRequest{Command: []string{"true"}, User: "no-such-user"}, "", "", agentrpc.FrameError, 126},
	} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			stdout, stderr, last, status, message := start(t, tc.req).until()
			if stdout != tc.stdout || stderr != tc.stderr || last != tc.last || status != tc.status {
				t.Errorf("got %q, %q, frame %d, status %d (%s)", stdout, stderr, last, status, message)
			}
			if last == agentrpc.FrameError && message == "" {
				t.Error("the error has no message")
			}
			if took := time.Since(begun); took > 15*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestExecLetsWhatACommandLeftRunningGoOn(t *testing.T) {
	left := commandtest.NewLeftover(t)
	stdout, _, _, status, _ := start(t, agentrpc.ExecRequest{Command: []string{"sh", "-c", left.Script("", "")}}).until()
	if stdout != "started\n" || status != 0 {
		t.Errorf("stdout %q, status %d", stdout, status)
	}
	if !left.Survives() {
		t.Error("it died at its first output")
	}
}

func TestExecPassesAllOutputBeforeTheExit(t *testing.T) {
	s := start(t, agentrpc.ExecRequest{Command: []string{"head", "-c", "3000000", "/dev/zero"}})
	if stdout, _, _, status, _ := s.until(); len(stdout) != 3_000_000 || status != 0 {
		t.Errorf("%d bytes, status %d", len(stdout), status)
	}
}

func TestExecStdin(t *testing.T) {
	s := start(t, agentrpc.ExecRequest{Command: []string{"wc", "-c"}, Stdin: true})
	for range 100 {
		s.send(agentrpc.FrameStdin, strings.Repeat("x", 30_000))
	}
	s.send(agentrpc.FrameStdinEOF, "")
	if stdout, _, _, status, _ := s.until(); strings.TrimSpace(stdout) != "3000000" || status != 0 {
		t.Errorf("stdout %q, status %d", stdout, status)
	}
}

func TestExecSignal(t *testing.T) {
	s := start(t, agentrpc.ExecRequest{Command: []string{"sh", "-c", "trap 'echo caught; exit 3' USR1; echo up; while :; do sleep 0.05; done"}})
	if ft, payload, err := agentrpc.ReadFrame(s.in, nil); err != nil || ft != agentrpc.FrameStdout || string(payload) != "up\n" {
		t.Fatalf("frame %d %q, %v", ft, payload, err)
	}
	s.send(agentrpc.FrameSignal, "USR1")
	if stdout, _, _, status, _ := s.until(); !strings.Contains(stdout, "caught") || status != 3 {
		t.Errorf("stdout %q, status %d", stdout, status)
	}
}

// Input that the command does not read must not hold up its signals.
func TestExecSignalBehindUnreadInput(t *testing.T) {
	s := start(t, agentrpc.ExecRequest{Command: []string{"sleep", "1000"}, Stdin: true})
	for range 50 {
		s.send(agentrpc.FrameStdin, strings.Repeat("x", 60_000))
	}
	s.send(agentrpc.FrameSignal, "TERM")
	if _, _, last, status, _ := s.until(); last != agentrpc.FrameExit || status != 143 {
		t.Errorf("frame %d, status %d; want 143", last, status)
	}
}

func TestExecTerminal(t *testing.T) {
	s := start(t, agentrpc.ExecRequest{
		Command: []string{"sh", "-c", "stty size; echo $TERM; read line; stty size"}, TTY: true, Stdin: true, Rows: 33, Cols: 77,
	})
	var seen strings.Builder
	for !strings.Contains(seen.String(), "xterm") {
		_, payload, err := agentrpc.ReadFrame(s.in, nil)
		if err != nil {
			t.Fatalf("%v after %q", err, seen.String())
		}
		seen.Write(payload)
	}
	s.send(agentrpc.FrameResize, "\x00\x28\x00\x64")
	s.send(agentrpc.FrameStdin, "go\n")
	stdout, _, _, status, _ := s.until()
	if all := seen.String() + stdout; !strings.Contains(all, "33 77") || !strings.Contains(all, "40 100") || status != 0 {
		t.Errorf("terminal showed %q, status %d", all, status)
	}
}

func TestExecHangsUpWithItsConnection(t *testing.T) {
	s := start(t, agentrpc.ExecRequest{Command: []string{"sh", "-c", "echo $$; exec sleep 1000"}})
	_, payload, err := agentrpc.ReadFrame(s.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(payload)))
	if err != nil {
		t.Fatal(err)
	}
	_ = s.conn.Close()
	limit := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for syscall.Kill(pid, 0) == nil {
		select {
		case <-limit:
			t.Fatalf("process %d lives on", pid)
		case <-tick.C:
		}
	}
}

// What ignores the signal that ends the command goes with KillGroup, and only
// then.
func TestExecKillGroup(t *testing.T) {
	for name, kill := range map[string]bool{"with": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			s := start(t, agentrpc.ExecRequest{
				Command:   []string{"sh", "-c", `(trap "" TERM; exec sleep 1000 >/dev/null 2>&1) & sleep 0.2; echo $!; wait`},
				KillGroup: kill,
			})
			_, payload, err := agentrpc.ReadFrame(s.in, nil)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(payload)))
			if err != nil {
				t.Fatal(err)
			}
			s.send(agentrpc.FrameSignal, "TERM")
			if _, _, _, status, _ := s.until(); status != 143 {
				t.Errorf("status %d, want 143", status)
			}
			if !kill {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Errorf("it was gone already: %v", err)
				}
				return
			}
			limit := time.After(10 * time.Second)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for alive(pid) {
				select {
				case <-limit:
					t.Fatalf("process %d lives on", pid)
				case <-tick.C:
				}
			}
		})
	}
}

// alive tells whether a process runs; one that nobody has waited for does not.
func alive(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(data), ") Z ")
}

func TestExecRefusesMalformedFrames(t *testing.T) {
	s := start(t, agentrpc.ExecRequest{Command: []string{"sleep", "1000"}, Stdin: true})
	if _, err := s.conn.Write([]byte{99, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if _, _, last, status, _ := s.until(); last != agentrpc.FrameExit || status != 129 {
		t.Errorf("frame %d, status %d; want an exit by SIGHUP", last, status)
	}
}

func TestExecNeedsTheToken(t *testing.T) {
	for _, bearer := range []string{"", "sesam", "sesame2"} {
		if status, _ := post(t, serve(t, identity()), bearer, agentrpc.ExecRequest{Command: []string{"true"}}); status != http.StatusUnauthorized {
			t.Errorf("token %q: %d", bearer, status)
		}
	}
}

func TestNobodyEntersBeforeConfigure(t *testing.T) {
	if status, _ := post(t, serve(t, nil), "", agentrpc.ExecRequest{Command: []string{"true"}}); status != http.StatusServiceUnavailable {
		t.Errorf("exec answered %d", status)
	}
}

func TestHealthNeedsNoToken(t *testing.T) {
	conn := serve(t, identity())
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: guest\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var h agentrpc.Health
	if err := json.NewDecoder(resp.Body).Decode(&h); err != nil || !h.Ready || resp.StatusCode != http.StatusOK {
		t.Errorf("%s, %+v, %v", resp.Status, h, err)
	}
}
