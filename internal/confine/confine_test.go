package confine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/confine"
)

// TestMain makes the test binary serve as `bangerd confine` too, and as the
// program that tries what it must not.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "confine-without-landlock":
			if err := withoutLandlock(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(confine.Command(os.Args[2:], os.Stderr))
		case "confine-elsewhere":
			os.Exit(elsewhere(func() int { return confine.Command(os.Args[2:], os.Stderr) }))
		case "confine":
			os.Exit(confine.Command(os.Args[2:], os.Stderr))
		case "keep":
			os.Exit(keep(os.Args[2:]))
		case "visit":
			os.Exit(visit(os.Args[2]))
		case "try":
			os.Exit(try(os.Args[2]))
		}
	}
	os.Exit(m.Run())
}

// attempts are what the program tries; at is where things are.
type attempts struct {
	Home, Run, Kernel, TCP, Unix, Abstract string
	Parent                                 int
}

// outcome is "done", or why not.
func outcome(err error) string {
	if err == nil {
		return "done"
	}
	return "refused"
}

func try(text string) int {
	var at attempts
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		return 2
	}
	read := func(path string) string {
		_, err := os.ReadFile(path)
		return outcome(err)
	}
	write := func(path string) string { return outcome(os.WriteFile(path, []byte("x"), 0o600)) }
	dial := func(network, address string) string {
		conn, err := net.Dial(network, address) //nolint:noctx // at once
		if err == nil {
			_ = conn.Close()
		}
		return outcome(err)
	}
	parent := "/proc/" + strconv.Itoa(at.Parent)
	got := map[string]string{
		"read the kernel":           read(at.Kernel),
		"write in its directory":    write(filepath.Join(at.Run, "new")),
		"use an inherited socket":   outcome(useInherited()),
		"read a private key":        read(filepath.Join(at.Home, ".ssh/id_ed25519")),
		"read another VM's spec":    read(filepath.Join(at.Home, "vms/other/spec.json")),
		"list the home":             outcome(func() error { _, err := os.ReadDir(at.Home); return err }()),
		"write a shell's file":      write(filepath.Join(at.Home, ".bashrc")),
		"write the kernel":          write(at.Kernel),
		"remove a private key":      outcome(os.Remove(filepath.Join(at.Home, ".ssh/id_ed25519"))),
		"connect by TCP":            dial("tcp", at.TCP),
		"connect to a unix socket":  dial("unix", at.Unix),
		"connect by abstract name":  dial("unix", at.Abstract),
		"see a secret variable":     map[bool]string{true: "done", false: "refused"}[os.Getenv("SECRET_TOKEN") != ""],
		"read a parent's variables": read(parent + "/environ"),
		"signal its parent":         outcome(syscall.Kill(at.Parent, 0)),
		"trace its parent":          outcome(syscall.PtraceAttach(at.Parent)),
		"set up io_uring":           outcome(ioUring()),
		"gain privileges":           noNewPrivileges(),
	}
	_ = json.NewEncoder(os.Stdout).Encode(got)
	return 0
}

func useInherited() error {
	_, err := syscall.Write(3, []byte("inherited"))
	return err
}

func ioUring() error {
	var params [120]byte
	_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func noNewPrivileges() string {
	data, _ := os.ReadFile("/proc/self/status")
	if on, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && on == 1 {
		return "refused"
	}
	return "done: " + string(data)
}

// need skips a test, or fails it where BANGER_TEST_REQUIRE=1.
func need(t *testing.T, there bool, what string) {
	t.Helper()
	if there {
		return
	}
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func prepare(t *testing.T) attempts {
	t.Helper()
	home := t.TempDir()
	at := attempts{
		Home: home, Run: filepath.Join(home, "vms/own/run"), Kernel: filepath.Join(home, "kernels/vmlinux"),
		Unix: filepath.Join(home, "bus"), Abstract: "@banger-confine-" + filepath.Base(home) + strconv.Itoa(os.Getpid()), Parent: os.Getpid(),
	}
	for path, text := range map[string]string{
		".ssh/id_ed25519": "secret", "vms/other/spec.json": "secret", "vms/own/run/x": "", "kernels/vmlinux": "ELF", ".bashrc": "",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(home, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listen := func(network, address string) net.Listener {
		l, err := net.Listen(network, address) //nolint:noctx // at once
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	at.TCP = listen("tcp", "127.0.0.1:0").Addr().String()
	listen("unix", at.Unix)
	listen("unix", at.Abstract)
	return at
}

// run has the program try everything under the plan.
func run(t *testing.T, at attempts, plan confine.Plan) map[string]string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	plan.Read = append(plan.Read, self, "/usr", "/lib", "/lib64", at.Kernel)
	plan.Write = append(plan.Write, at.Run)
	args, err := plan.Arguments(self, []string{"try", string(text)})
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	step := "confine"
	if plan.Mounts {
		step = "confine-without-landlock"
	}
	cmd := exec.CommandContext(t.Context(), self, append([]string{step}, args...)...)
	cmd.Env = append(os.Environ(), "SECRET_TOKEN=hunter2")
	cmd.ExtraFiles = []*os.File{w}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if plan.Namespaces {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
		confine.Namespaces(cmd.SysProcAttr, os.Getuid())
		if plan.Mounts {
			cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNS
		}
	}
	err = cmd.Run()
	_ = w.Close()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	got := map[string]string{}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAConfinedProgramReachesOnlyWhatItNeeds(t *testing.T) {
	abi := confine.LandlockABI()
	need(t, abi >= 6, fmt.Sprintf("this kernel has Landlock ABI %d, not 6", abi))
	all := map[string]string{
		"read the kernel": "done", "write in its directory": "done", "use an inherited socket": "done",
		"read a private key": "refused", "read another VM's spec": "refused", "list the home": "refused",
		"write a shell's file": "refused", "write the kernel": "refused", "remove a private key": "refused",
		"connect by TCP": "refused", "connect to a unix socket": "refused", "connect by abstract name": "refused",
		"see a secret variable": "refused", "read a parent's variables": "refused", "signal its parent": "refused",
		"trace its parent": "refused", "set up io_uring": "refused", "gain privileges": "refused",
	}
	for _, namespaces := range []bool{false, true} {
		t.Run(fmt.Sprintf("namespaces=%v", namespaces), func(t *testing.T) {
			need(t, !namespaces || confine.HasNamespaces(t.Context()), "this host gives its users no namespaces")
			got := run(t, prepare(t), confine.Plan{NoSockets: true, Namespaces: namespaces, Files: 64, Processes: 64})
			if diff := cmp.Diff(all, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("without Landlock", func(t *testing.T) {
		need(t, confine.HasNamespaces(t.Context()), "this host gives its users no namespaces")
		want := maps.Clone(all)
		// It lists the directories that lead to its own files, with nothing else in them.
		want["signal its parent"], want["list the home"] = "done", "done"
		got := run(t, prepare(t), confine.Plan{NoSockets: true, Namespaces: true, Mounts: true, Files: 64, Processes: 64})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("with a network of the host's", func(t *testing.T) { // as the monitor
		want := maps.Clone(all)
		want["connect by TCP"], want["connect to a unix socket"], want["set up io_uring"] = "done", "done", "done"
		got := run(t, prepare(t), confine.Plan{})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheReportSaysWhatHolds(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	_ = self
	env, err := exec.LookPath("env")
	if err != nil {
		t.Fatal(err)
	}
	args, err := confine.Plan{Read: []string{"/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache"}, Env: []string{"A=b"}}.Arguments(env, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), self, append([]string{"confine"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 2 || lines[0] != "A=b" {
		t.Fatalf("the environment is %q", lines)
	}
	_, text, _ := strings.Cut(lines[1], "=")
	report := confine.ParseReport(text)
	if !slices.Contains(report, "no new privileges") || slices.Contains(report, "no new sockets (seccomp)") {
		t.Errorf("the report is %q", report)
	}
	if confine.ParseReport("") != nil || confine.ParseReport(report.String()).String() != report.String() {
		t.Error("a report does not read as it was written")
	}
}

func TestTheEnvironmentIsAnAllowlist(t *testing.T) {
	got := confine.Environment(
		[]string{"PATH=/bin", "PATHS=x", "LC_ALL=C", "LC_=", "AWS_SECRET=x", "SSH_AUTH_SOCK=/s", "odd", "HOME=a=b"},
		"PATH", "LC_*", "HOME",
	)
	if diff := cmp.Diff([]string{"PATH=/bin", "LC_ALL=C", "LC_=", "HOME=a=b"}, got); diff != "" {
		t.Error(diff)
	}
	if none := confine.Environment([]string{"A=b"}); none == nil || len(none) != 0 {
		t.Error("an empty environment must not be nil, which os/exec takes for its own")
	}
}

func TestABadPlanRunsNothing(t *testing.T) {
	for _, args := range [][]string{nil, {"{}"}, {"{", "/bin/true"}, {"{}", "/nonexistent"}} {
		var said bytes.Buffer
		if len(args) == 2 && args[0] == "{}" {
			continue // it would confine the test itself
		}
		if status := confine.Command(args, &said); status != 1 || said.Len() == 0 {
			t.Errorf("%q: status %d, %q", args, status, said.String())
		}
	}
}
