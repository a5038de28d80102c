package statedir

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/peertest"
)

// open makes a directory that everybody may use, as /tmp is, however the test's
// own was made.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "banger-peers-") //nolint:usetesting // what t.TempDir makes is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	return dir
}

// answering listens at path and sends what it is sent to told.
func answering(t *testing.T, path string) (told chan string) {
	t.Helper()
	l, err := net.Listen("unix", path) //nolint:noctx // at once
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := os.Chmod(path, 0o777); err != nil {
		t.Error(err)
	}
	told = make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		data, _ := io.ReadAll(conn)
		told <- string(data)
	}()
	return told
}

// refused sees that the dial was refused, and that nothing was said.
func refused(t *testing.T, conn net.Conn, err error, told chan string) {
	t.Helper()
	if conn != nil {
		_ = conn.Close()
		t.Error("connected")
	}
	if !errors.Is(err, fault.PermissionDenied) {
		t.Errorf("error %v", err)
	}
	if told != nil {
		if said := <-told; said != "" {
			t.Errorf("said %q", said)
		}
	}
}

func TestDialUnixBelievesNobodyElse(t *testing.T) {
	names := map[string]string{"short": "s", "long": strings.Repeat("d", 60) + "/" + strings.Repeat("e", 60) + "/s"}
	for name, file := range names {
		t.Run("another uid is meant/"+name, func(t *testing.T) {
			path := filepath.Join(open(t), file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			l, err := ListenUnix(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			conn, err := dialUnix(t.Context(), path, os.Getuid()+1)
			refused(t, conn, err, nil)
			conn, err = DialUnix(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.Close()
		})
	}
	t.Run("another user listens", func(t *testing.T) {
		path := filepath.Join(open(t), "s")
		var told chan string
		peertest.AsStranger(t, func() { told = answering(t, path) })
		conn, err := DialUnix(t.Context(), path)
		refused(t, conn, err, told)
	})
}

func TestListenUnixAcceptsNobodyElse(t *testing.T) {
	path := filepath.Join(open(t), "s")
	listener, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	strangers := make(chan int, 4)
	listener.Stranger = func(uid int) { strangers <- uid }
	accepted := make(chan net.Conn, 4)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- conn
		}
	}()
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	peertest.AsStranger(t, func() {
		for range 3 {
			conn, err := net.Dial("unix", path) //nolint:noctx // at once
			if err != nil {
				t.Error(err)
				return
			}
			if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("a stranger reads %d, %v", n, err)
			}
			_ = conn.Close()
		}
	})
	conn, err := DialUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	own := <-accepted
	_ = own.Close()
	_ = listener.Close()
	if _, more := <-accepted; more {
		t.Error("a stranger was let in")
	}
	if uid := <-strangers; uid != peertest.Stranger || len(strangers) != 0 {
		t.Errorf("told of %d, and of %d more", uid, len(strangers))
	}
}

// The directory of the daemon's socket may have been made by anybody, before us.
func TestSquattedDirectories(t *testing.T) {
	rows := map[string]struct {
		squat  func(t *testing.T, dir string)
		absent bool // else PermissionDenied
		ensure bool // Ensure makes it right
	}{
		"nothing there":        {squat: func(*testing.T, string) {}, absent: true, ensure: true},
		"our own":              {squat: func(t *testing.T, dir string) { mkdir(t, dir, 0o700) }, absent: true, ensure: true},
		"others may enter":     {squat: func(t *testing.T, dir string) { mkdir(t, dir, 0o755) }, ensure: true},
		"others may write":     {squat: func(t *testing.T, dir string) { mkdir(t, dir, 0o777) }, ensure: true},
		"made with umask 0377": {squat: func(t *testing.T, dir string) { mkdir(t, dir, 0o400) }, ensure: true},
		"a file":               {squat: func(t *testing.T, dir string) { write(t, dir) }},
		"a link to ours": {squat: func(t *testing.T, dir string) {
			mkdir(t, dir+"-real", 0o700)
			link(t, dir+"-real", dir)
		}},
		"a link to nothing": {squat: func(t *testing.T, dir string) { link(t, dir+"-none", dir) }},
		"another user's": {squat: func(t *testing.T, dir string) {
			peertest.AsStranger(t, func() { mkdir(t, dir, 0o700) })
		}},
		"another user's, open, with an answering socket": {squat: func(t *testing.T, dir string) {
			peertest.AsStranger(t, func() {
				mkdir(t, dir, 0o777)
				answering(t, filepath.Join(dir, "bangerd.sock"))
			})
		}},
		"another user's link to ours": {squat: func(t *testing.T, dir string) {
			mkdir(t, dir+"-real", 0o700)
			peertest.AsStranger(t, func() { link(t, dir+"-real", dir) })
		}},
		"another user's file": {squat: func(t *testing.T, dir string) { peertest.AsStranger(t, func() { write(t, dir) }) }},
		"ours and open, with another user's socket": {squat: func(t *testing.T, dir string) {
			mkdir(t, dir, 0o777)
			peertest.AsStranger(t, func() { answering(t, filepath.Join(dir, "bangerd.sock")) })
		}, ensure: true},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			dirs := Dirs{State: filepath.Join(open(t), "state"), Cache: t.TempDir()}
			mkdir(t, dirs.State, 0o777)
			row.squat(t, dirs.Run())
			if err := os.Chmod(dirs.State, 0o700); err != nil {
				t.Fatal(err)
			}
			conn, err := dirs.DialDaemon(t.Context())
			if conn != nil {
				_ = conn.Close()
				t.Error("connected")
			}
			if row.absent != errors.Is(err, fs.ErrNotExist) || row.absent == errors.Is(err, fault.PermissionDenied) {
				t.Errorf("dial: %v", err)
			}
			if err := dirs.Ensure(); (err == nil) != row.ensure || !row.ensure && !errors.Is(err, fault.PermissionDenied) {
				t.Errorf("ensure: %v", err)
			}
			if !row.ensure {
				return
			}
			if info, err := os.Lstat(dirs.Run()); err != nil || info.Mode() != fs.ModeDir|0o700 {
				t.Errorf("after ensure: %v, %v", info.Mode(), err)
			}
		})
		t.Run("of the link/"+name, func(t *testing.T) {
			dirs := Dirs{State: filepath.Join(t.TempDir(), "state"), Cache: t.TempDir(), Runtime: filepath.Join(open(t), "banger-0")}
			row.squat(t, dirs.Runtime)
			if err := dirs.Ensure(); err != nil {
				t.Fatal(err)
			}
			if conn, err := dirs.DialDaemon(t.Context()); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("dial: %v, %v", conn, err)
			}
			l, err := ListenUnix(dirs.Socket())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			if err := dirs.LinkSocket(t.Context()); (err == nil) != row.ensure {
				t.Errorf("link: %v", err)
			}
			own, err := dirs.DialDaemon(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_ = own.Close()
			if to, err := os.Readlink(dirs.SocketLink()); row.ensure && (err != nil || to != dirs.Socket()) {
				t.Errorf("the link leads to %q, %v", to, err)
			}
		})
	}
}

// A socket of another user's may stand in a directory that has been put right.
func TestSquattedSocket(t *testing.T) {
	dirs := Dirs{State: open(t)}
	mkdir(t, dirs.Run(), 0o777)
	var told chan string
	peertest.AsStranger(t, func() { told = answering(t, dirs.Socket()) })
	if err := os.Chmod(dirs.Run(), 0o700); err != nil {
		t.Fatal(err)
	}
	conn, err := dirs.DialDaemon(t.Context())
	refused(t, conn, err, told)
	l, err := ListenUnix(dirs.Socket())
	if err != nil {
		t.Fatalf("a daemon cannot replace it: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	own, err := dirs.DialDaemon(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = own.Close()
}

// Whatever the environment says of runtime directories, it is one daemon.
func TestOneSocketInEveryEnvironment(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	mine, others := t.TempDir(), open(t)
	peertest.AsStranger(t, func() { mkdir(t, filepath.Join(others, "run"), 0o755) })
	want := ""
	for name, runtime := range map[string]string{
		"ours": mine, "unset": "", "relative": "run", "missing": filepath.Join(mine, "none"), "another user's": filepath.Join(others, "run"),
	} {
		t.Setenv("XDG_RUNTIME_DIR", runtime)
		dirs, err := FromEnv()
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = dirs.Socket()
		}
		if dirs.Socket() != want || (dirs.Runtime == filepath.Join(runtime, "banger")) != (name == "ours") {
			t.Errorf("%s: socket %s, runtime %q", name, dirs.Socket(), dirs.Runtime)
		}
	}
}

func TestALinkToAnotherDaemonStays(t *testing.T) {
	runtime := filepath.Join(t.TempDir(), "banger")
	first, second := Dirs{State: t.TempDir(), Cache: t.TempDir(), Runtime: runtime}, Dirs{State: t.TempDir(), Cache: t.TempDir(), Runtime: runtime}
	for _, dirs := range []Dirs{first, second} {
		if err := dirs.Ensure(); err != nil {
			t.Fatal(err)
		}
		l, err := ListenUnix(dirs.Socket())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
	}
	if err := first.LinkSocket(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.LinkSocket(t.Context()); !errors.Is(err, fault.Conflict) {
		t.Errorf("the second link: %v", err)
	}
	if err := second.UnlinkSocket(); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(first.SocketLink()); err != nil || to != first.Socket() {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	// What a daemon left behind that was killed is replaced.
	if err := os.Remove(first.Socket()); err != nil {
		t.Fatal(err)
	}
	if err := second.LinkSocket(t.Context()); err != nil {
		t.Error(err)
	}
	if to, err := os.Readlink(first.SocketLink()); err != nil || to != second.Socket() {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

// The builds before had no socket in the state directory.
func TestAnOlderDaemonIsFound(t *testing.T) {
	dirs := Dirs{State: t.TempDir(), Cache: t.TempDir(), Runtime: filepath.Join(t.TempDir(), "banger")}
	mkdir(t, dirs.Runtime, 0o700)
	l, err := ListenUnix(dirs.SocketLink())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := dirs.Ensure(); err != nil {
		t.Fatal(err)
	}
	conn, err := dirs.DialDaemon(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestEnsureInEveryUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077, 0o377, 0o777} {
		home := t.TempDir()
		dirs := Dirs{State: filepath.Join(home, ".local/state/banger"), Cache: filepath.Join(home, ".cache/banger")}
		before := syscall.Umask(umask)
		err := errors.Join(dirs.Ensure(), dirs.Ensure())
		syscall.Umask(before)
		if err != nil {
			t.Errorf("umask %o: %v", umask, err)
		}
		for _, dir := range []string{filepath.Join(home, ".local"), dirs.State, dirs.Cache, dirs.VMs(), dirs.Run()} {
			if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("umask %o: %s has %v, %v", umask, dir, info.Mode(), err)
			}
		}
	}
}

func TestEnsureRefusesWhatOthersMayWrite(t *testing.T) {
	for name, spoil := range map[string]func(dirs Dirs) error{
		"others may write": func(d Dirs) error { return os.Chmod(d.State, 0o777) },
		"a group may":      func(d Dirs) error { return os.Chmod(d.Cache, 0o770) },
		"another user's":   func(d Dirs) error { return os.Chown(d.State, peertest.Stranger, -1) },
		"a file": func(d Dirs) error {
			return errors.Join(os.Remove(d.State), os.WriteFile(d.State, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dirs := Dirs{State: t.TempDir(), Cache: t.TempDir()}
			if err := spoil(dirs); err != nil {
				t.Skip(err)
			}
			if err := dirs.Ensure(); err == nil || name != "a file" && !errors.Is(err, fault.PermissionDenied) {
				t.Errorf("%v", err)
			}
		})
	}
}

// These run on a thread of another user's too: they must not end the test.

func mkdir(t *testing.T, dir string, mode fs.FileMode) {
	t.Helper()
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, mode)); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Error(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Error(err)
	}
}
