package vmm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAVersionIsAskedForOnceAProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vmm")
	script(t, path, "one")
	asked, fail := 0, errors.New("does not run")
	var failure error
	v := &versions{ask: func(context.Context, string) (string, error) {
		asked++
		return "answer", failure
	}}
	failure = fail
	if _, err := v.of(t.Context(), path); !errors.Is(err, fail) {
		t.Errorf("the failure is %v", err)
	}
	failure = nil
	for range 3 {
		if answer, err := v.of(t.Context(), path); err != nil || answer != "answer" {
			t.Errorf("%q, %v", answer, err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times, want once for the failure and once for the answer", asked)
	}
	script(t, path, "another")
	if _, err := v.of(t.Context(), path); err != nil || asked != 3 {
		t.Errorf("another program was not asked: %v", err)
	}
}

func TestRememberedVersionsAreBounded(t *testing.T) {
	v := &versions{ask: func(context.Context, string) (string, error) { return "", nil }}
	dir := t.TempDir()
	for i := range 3 * maxVersions {
		path := filepath.Join(dir, strings.Repeat("x", i+1))
		script(t, path, "")
		if _, err := v.of(t.Context(), path); err != nil {
			t.Fatal(err)
		}
	}
	if len(v.known) > maxVersions {
		t.Errorf("%d are remembered", len(v.known))
	}
}

func TestAskVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vmm")
	script(t, path, `[ "$1" = --version ] && echo version 1`)
	if got, err := askVersion(t.Context(), path); err != nil || got != "version 1\n" {
		t.Errorf("%q, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	script(t, path, "head -c 100000 /dev/zero")
	if got, err := askVersion(ctx, path); err != nil || len(got) != maxVersion {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	script(t, path, "exec sleep 600")
	cancel()
	if _, err := askVersion(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left got %v", err)
	}
}

// TestAProgramThatHangsIsEndedWithItsChildren looks at the children by a pipe that they hold.
func TestAProgramThatHangsIsEndedWithItsChildren(t *testing.T) {
	for name, c := range map[string]struct {
		then string
		want error
	}{
		"it hangs":          {"wait", errNoAnswer},
		"it leaves a child": {"echo version 1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, pipe := filepath.Join(dir, "vmm"), filepath.Join(dir, "pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			held, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = held.Close() }()
			script(t, path, fmt.Sprintf("exec 3>%s\necho here >&3\nsleep 600 &\n%s\n", pipe, c.then))
			ctx, cancel := noAnswerWithin(t.Context(), 300*time.Millisecond)
			defer cancel()
			if _, err := askVersion(ctx, path); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if err := held.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if said, err := io.ReadAll(held); err != nil || string(said) != "here\n" {
				t.Errorf("a child is left: %q, %v", said, err)
			}
		})
	}
}

func TestAProgramThatHangsIsAskedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vmm")
	script(t, path, "one")
	asked := 0
	v := &versions{ask: func(context.Context, string) (string, error) {
		asked++
		return "", fmt.Errorf("%w within 3s", errNoAnswer)
	}}
	for range 3 {
		if _, err := v.of(t.Context(), path); !errors.Is(err, errNoAnswer) {
			t.Errorf("%v", err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	other := path + ".new"
	script(t, other, "two")
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if _, err := v.of(t.Context(), path); !errors.Is(err, errNoAnswer) || asked != 2 {
		t.Errorf("another program was not asked: %v", err)
	}
}

func TestQuickVersionIsBounded(t *testing.T) {
	h := &Host{Version: func(ctx context.Context, _ string) (string, error) {
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); !ok || left > quickLimit {
			t.Errorf("it has %s", left)
		}
		return "", nil
	}}
	if _, err := h.QuickVersion(t.Context(), "/vmm"); err != nil {
		t.Error(err)
	}
}
