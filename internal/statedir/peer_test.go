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
