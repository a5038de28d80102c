package statedir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/peertest"
)

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
