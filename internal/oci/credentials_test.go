package oci_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

// login is a registry that wants one, or does not, and what docker's
// configuration says of it.
type login struct {
	*server
	home, bin string
	wanted    bool
}

func newLogin(t *testing.T) *login {
	t.Helper()
	l := &login{server: newServer(t), home: t.TempDir(), bin: t.TempDir()}
	t.Setenv("DOCKER_CONFIG", l.home)
	t.Setenv("HOME", l.home)
	t.Setenv("PATH", l.bin+":/bin:/usr/bin")
	l.setTamper(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		user, password, _ := r.BasicAuth()
		if !l.wanted || user == "u" && password == "s" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	return l
}

func (l *login) configure(t *testing.T, config, helper string) {
	t.Helper()
	config = strings.ReplaceAll(config, "HOST", l.host)
	if err := os.WriteFile(filepath.Join(l.home, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(l.bin, "docker-credential-banger-test")
	if helper == "" {
		if err := os.Remove(program); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"+helper+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// TestCredentials: an image that needs no login is pulled whatever docker's
// configuration is; one that needs it is, when it is there, and else what is
// wrong is told.
func TestCredentials(t *testing.T) {
	l, c := newLogin(t), newSetup(t)
	raw := makeTar(t, "a", "one")
	ref := l.push(t, "team/app:1", makeImage(t, "amd64", makeLayer(t, raw, raw)))
	auth := base64.StdEncoding.EncodeToString([]byte("u:s"))
	const helped, store = `{"credHelpers": {"HOST": "banger-test"}}`, `{"credsStore": "banger-test"}`
	const answers = `read host; [ "$host" = HOST ] && echo '{"Username": "u", "Secret": "s"}'`
	tests := []struct {
		name, config, helper string
		problem              string // of an image that needs a login; empty: it is pulled
	}{
		{"a helper", helped, answers, ""},
		{"a store", store, answers, ""},
		{"a store, and a helper for another registry", `{"credsStore": "banger-test", "credHelpers": {"other.example": "none"}}`, answers, ""},
		{"in the file", `{"auths": {"HOST": {"auth": "` + auth + `"}}}`, "", ""},
		{"in the file, by URL", `{"auths": {"https://HOST/v1/": {"auth": "` + auth + `"}}}`, "", ""},
		{"in the file, for the repository", `{"auths": {"HOST/team/app": {"auth": "` + auth + `"}}}`, "", ""},
		{"in the file, for a store that has none", `{"credsStore": "banger-test", "auths": {"HOST": {"auth": "` + auth + `"}}}`, "echo credentials not found in native keychain; exit 1", ""},
		{"in the file, for a path above the repository", `{"auths": {"HOST/team": {"auth": "` + auth + `"}, "HOST": {"auth": "bm86bm8="}}}`, "", ""},
		{"nothing", `{}`, "", "does not show"},
		{"an empty login", `{"auths": {"HOST": {}}}`, "", "does not show"},
		{"a helper that is not there", helped, "", "not on the PATH"},
		{"a store that is not there", store, "", "not on the PATH"},
		{"a helper that fails", helped, "echo keychain is locked >&2; exit 2", "keychain is locked"},
		{"a helper that fails on stdout", helped, "echo keychain is locked; exit 2", "keychain is locked"},
		{"a helper that writes junk", helped, "echo junk", "wrote no login"},
		{"a helper that writes without end", helped, "yes", "docker-credential-banger-test"},
		{"a helper that knows nothing", helped, "echo '{}'", "does not show"},
		{"a helper's name that is a path", `{"credHelpers": {"HOST": "/../../bin/sh"}}`, "", "not the name"},
		{"a file that is broken", `{"auths": `, "", "config.json"},
		{"a login that is broken", `{"auths": {"HOST": {"auth": "%%%"}}}`, "", "login for"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l.configure(t, test.config, strings.ReplaceAll(test.helper, "HOST", l.host))
			l.wanted = false
			if _, _, err := c.pull(t.Context(), ref, nil); err != nil {
				t.Errorf("without a login wanted: %v", err)
			}
			l.wanted = true
			_, _, err := c.pull(t.Context(), ref, nil)
			if test.problem == "" && err != nil {
				t.Errorf("with a login wanted: %v", err)
			}
			if test.problem != "" && (!errors.Is(err, fault.PermissionDenied) || !strings.Contains(err.Error(), test.problem) || fault.HintOf(err).String() == "") {
				t.Errorf("with a login wanted: %v (hint %q), want PermissionDenied with %q", err, fault.HintOf(err).String(), test.problem)
			}
		})
	}
}

// TestLoginsOfPodman: each file that there is may have the login.
func TestLoginsOfPodman(t *testing.T) {
	l, c := newLogin(t), newSetup(t)
	raw := makeTar(t, "a", "one")
	ref := l.push(t, "app:1", makeImage(t, "amd64", makeLayer(t, raw, raw)))
	l.wanted = true
	l.configure(t, `{"credsStore": "banger-test"}`, "")
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(l.home, "run"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(l.home, "conf"))
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(l.home, "mine.json"))
	login := `{"auths": {"` + l.host + `": {"auth": "` + base64.StdEncoding.EncodeToString([]byte("u:s")) + `"}}}`
	for _, at := range []string{"mine.json", "run/containers/auth.json", "conf/containers/auth.json"} {
		path := filepath.Join(l.home, at)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.pull(t.Context(), ref, nil); !errors.Is(err, fault.PermissionDenied) {
			t.Errorf("without %s: %v", at, err)
		}
		if err := os.WriteFile(path, []byte(login), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.pull(t.Context(), ref, nil); err != nil {
			t.Errorf("with %s: %v", at, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLoginsThatAreNoFiles do not stop a pull that needs none, and wait for nothing: the pipe
// has no writer.
func TestLoginsThatAreNoFiles(t *testing.T) {
	l, c := newLogin(t), newSetup(t)
	raw := makeTar(t, "a", "one")
	ref := l.push(t, "app:1", makeImage(t, "amd64", makeLayer(t, raw, raw)))
	path := filepath.Join(l.home, "config.json")
	for what, place := range map[string]func() error{
		"a pipe":      func() error { return syscall.Mkfifo(path, 0o600) },
		"a directory": func() error { return os.Mkdir(path, 0o700) },
		"a device":    func() error { return os.Symlink("/dev/zero", path) },
	} {
		if err := place(); err != nil {
			t.Fatal(err)
		}
		l.wanted = false
		if _, _, err := c.pull(t.Context(), ref, nil); err != nil {
			t.Errorf("%s, without a login wanted: %v", what, err)
		}
		l.wanted = true
		if _, _, err := c.pull(t.Context(), ref, nil); !errors.Is(err, fault.PermissionDenied) || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s, with a login wanted: %v", what, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCancelEndsTheCredentialHelper, and all that it has started.
func TestCancelEndsTheCredentialHelper(t *testing.T) {
	l, c := newLogin(t), newSetup(t)
	raw := makeTar(t, "a", "one")
	ref := l.push(t, "app:1", makeImage(t, "amd64", makeLayer(t, raw, raw)))
	started := filepath.Join(l.home, "started")
	if err := syscall.Mkfifo(started, 0o600); err != nil {
		t.Fatal(err)
	}
	l.configure(t, `{"credsStore": "banger-test"}`, "sleep 1000 & echo $! >"+started+"; wait")
	ctx, cancel := context.WithCancel(t.Context())
	var child string
	go func() {
		data, _ := os.ReadFile(started)
		child = strings.TrimSpace(string(data))
		cancel()
	}()
	if _, _, err := c.pull(ctx, ref, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	pid, err := strconv.Atoi(child)
	if err != nil {
		t.Fatal(err)
	}
	// What is left of it is nobody's child: only /proc can tell that it ended.
	for !ended(pid) {
		if t.Context().Err() != nil {
			t.Fatal("the helper's child goes on")
		}
	}
}

func ended(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || strings.Contains(string(stat), ") Z ")
}
