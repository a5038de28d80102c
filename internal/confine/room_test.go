package confine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/confine"
)

// nobody is the user that root's tests run as.
const nobody = 65534

// neighbour is what a program in a room tries to reach: sockets of the same user, in its own
// directory and elsewhere.
type neighbour struct {
	Run, Own, Other, Abstract, Secret, Disk string
	Monitor                                 int
}

// visit tries them, as the program in a room.
func visit(text string) int {
	var at neighbour
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		return 2
	}
	dial := func(address string) string {
		conn, err := net.Dial("unix", address) //nolint:noctx // at once
		if err == nil {
			_ = conn.Close()
		}
		return outcome(err)
	}
	l, own := net.Listen("unix", "new.sock") //nolint:noctx // at once
	if own == nil {
		_ = l.Close()
	}
	disk, write := os.OpenFile(at.Disk, os.O_RDWR, 0)
	if write == nil {
		_, write = disk.WriteString("x")
	}
	_, secret := os.Stat(at.Secret)
	_, around := os.Stat(fmt.Sprintf("/proc/%d/root%s", at.Monitor, at.Secret))
	_ = json.NewEncoder(os.Stdout).Encode(map[string]string{
		"its own socket":                   dial(at.Own),
		"make a socket":                    outcome(own),
		"write its disk":                   outcome(write),
		"the user's socket":                dial(at.Other),
		"the user's abstract socket":       dial(at.Abstract),
		"see a file of the user's":         outcome(secret),
		"see it by its monitor":            outcome(around),
		"leave by another root":            outcome(unix.Chroot(".")),
		"leave by another mount namespace": outcome(unix.Unshare(unix.CLONE_NEWNS)),
	})
	return 0
}

// keep starts a program in the room that was made, as a monitor does its VMM.
func keep(args []string) int {
	var plan confine.Plan
	if err := json.Unmarshal([]byte(args[0]), &plan); err != nil {
		return 2
	}
	plan.Room = os.Getenv(confine.RoomEnv)
	var at neighbour
	if err := json.Unmarshal([]byte(args[1]), &at); err != nil {
		return 2
	}
	at.Monitor = os.Getpid()
	text, err := json.Marshal(at)
	if err != nil {
		return 2
	}
	step, err := plan.Arguments("/proc/self/exe", []string{"visit", string(text)})
	if err != nil {
		return 2
	}
	cmd := exec.Command("/proc/self/exe", append([]string{"confine"}, step...)...) //nolint:noctx // the test bounds it
	cmd.Dir, cmd.Stdout, cmd.Stderr = at.Run, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	confine.Namespaces(cmd.SysProcAttr, os.Getuid(), unix.CAP_SYS_CHROOT)
	if plan.Room == "" {
		fmt.Fprintln(os.Stderr, "no room")
		return 1
	}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// asNobody runs this test again as an ordinary user where this one is root, and reports
// whether it did.
func asNobody(t *testing.T) bool {
	t.Helper()
	if os.Getuid() != 0 {
		return false
	}
	_, self := openHome(t)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "BANGER_TEST_REQUIRE=" + os.Getenv("BANGER_TEST_REQUIRE")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	t.Logf("as user %d: %s", nobody, out)
	if err != nil {
		t.Error(err)
	}
	return true
}

// openHome is a directory of that user's, with this test's executable.
func openHome(t *testing.T) (home, self string) {
	t.Helper()
	home, err := os.MkdirTemp("", "banger-room") //nolint:usetesting // what t.TempDir makes is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	if err := os.Chmod(home, 0o755); err != nil {
		t.Fatal(err)
	}
	self = filepath.Join(home, "self")
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(self, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return home, self
}

// A VMM in a room reaches no Unix socket of the user but those of its run directory, which
// Landlock and Firecracker's own filters leave open.
func TestAProgramInARoomReachesNoOtherUnixSocket(t *testing.T) {
	if asNobody(t) {
		return
	}
	need(t, confine.TryCapableNamespaces(t.Context()) == nil, "this host gives its users no capabilities in namespaces")
	home, self := openHome(t)
	run, room := filepath.Join(home, "run"), filepath.Join(home, "room")
	at := neighbour{
		Run: run, Disk: filepath.Join(home, "disk"), Own: filepath.Join(run, "own.sock"), Other: filepath.Join(home, "bangerd.sock"),
		Abstract: "@banger-room-" + filepath.Base(home), Secret: filepath.Join(home, "secret"),
	}
	for _, dir := range []string{run, room} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{at.Secret, at.Disk} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, address := range []string{at.Own, at.Other, at.Abstract} {
		l, err := net.Listen("unix", address) //nolint:noctx // at once
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
	}
	read := append(confine.SystemFiles(), self)
	inner := confine.Plan{Read: read, Write: []string{at.Disk}, SocketsIn: []string{"."}, Namespaces: true}
	outer := confine.Plan{
		Read: read, Write: []string{home}, Devices: []string{"/dev/null", "/proc"}, SocketsIn: []string{"/"},
		MakesRoom: &confine.Plan{Room: room, Read: read, Write: []string{at.Disk}, SocketsIn: []string{run}, Devices: []string{"/dev/null"}},
	}
	got := visitFrom(t, self, outer, inner, at)
	want := map[string]string{
		"its own socket": "done", "make a socket": "done", "write its disk": "done", "the user's socket": "refused", "the user's abstract socket": "refused",
		"see a file of the user's": "refused", "see it by its monitor": "refused", "leave by another root": "refused",
		"leave by another mount namespace": "refused",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if left, err := os.ReadDir(room); err != nil || len(left) > 0 {
		t.Errorf("on the host the room has %v, %v", left, err)
	}
}

// visitFrom runs the program of both plans, and returns what it could.
func visitFrom(t *testing.T, self string, outer, inner confine.Plan, at neighbour) map[string]string {
	t.Helper()
	plan, err := json.Marshal(inner)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	args, err := outer.Arguments(self, []string{"keep", string(plan), string(text)})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, append([]string{"confine"}, args...)...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	confine.OwnMounts(cmd.SysProcAttr, os.Getuid())
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	got := map[string]string{}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %q: %s", err, out.String(), said.String())
	}
	return got
}
