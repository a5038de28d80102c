package monitor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/statedir"
)

// socketEnv names the socket of TestALeader, and dialEnv makes TestAMember dial it.
const (
	socketEnv = "BANGER_TEST_SOCKET"
	dialEnv   = "BANGER_TEST_DIAL"
)

// greeting dials the socket and returns what it hears there.
func greeting(path string) string {
	conn, err := net.Dial("unix", path) //nolint:noctx // at once
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close() }()
	heard, _ := io.ReadAll(conn) // a connection that is refused can end with a reset
	return string(heard)
}

// TestALeader is no test but a monitor, which starts what dials its socket.
func TestALeader(t *testing.T) {
	path := os.Getenv(socketEnv)
	if path == "" {
		t.Skip("run by TestAMonitorTakesNoOrdersOfItsVMM")
	}
	listener, err := statedir.ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	listener.Refuses = startedHere
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("welcome"))
			_ = conn.Close()
		}
	}()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAMember$")
	cmd.Env = append(os.Environ(), dialEnv+"=1")
	cmd.Stdout = os.Stdout
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// TestAMember is no test but that monitor's VMM.
func TestAMember(t *testing.T) {
	if os.Getenv(dialEnv) == "" {
		t.Skip("run by TestALeader")
	}
	fmt.Printf("it heard %q\n", greeting(os.Getenv(socketEnv))) //nolint:forbidigo // it is a program
}

func TestAMonitorTakesNoOrdersOfItsVMM(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	leader := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestALeader$")
	leader.Env = append(os.Environ(), socketEnv+"="+path)
	leader.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, err := leader.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := leader.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if heard := greeting(path); heard != "welcome" {
		t.Errorf("a process of another session heard %q", heard)
	}
	_ = stdin.Close()
	_ = leader.Wait()
	if strings.TrimSpace(line) != `it heard ""` {
		t.Errorf("of its VMM the monitor says %q, %v", line, err)
	}
}

func TestAProcessThatIsNotSeenIsOfNoSession(t *testing.T) {
	session, err := unix.Getsid(0)
	if err != nil {
		t.Fatal(err)
	}
	for pid, want := range map[int]bool{0: false, os.Getpid(): true} {
		if got := inSession(session, pid); got != want {
			t.Errorf("process %d: %v", pid, got)
		}
	}
}
