package boundlog_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/boundlog"
)

func TestAMessageIsWrittenAtABoundedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(boundlog.NewHandler(slog.NewTextHandler(&out, nil)))
		for range 10_000 {
			log.Warn("the guest shouts", "vm", "a")
			log.With("vm", "b").Warn("the guest shouts")
		}
		if got := strings.Count(out.String(), "\n"); got != 8 {
			t.Errorf("%d lines, not four of each VM:\n%s", got, out.String())
		}
		out.Reset()
		<-time.After(time.Minute)
		log.Warn("the guest shouts", "vm", "a")
		log.Warn("the guest shouts", "vm", "a")
		if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "more=9996") {
			t.Errorf("after a minute: %s", got)
		}
		out.Reset()
		log.Warn("another matter", "vm", "a")
		log.Error("the guest shouts", "vm", "a")
		if got := strings.Count(out.String(), "\n"); got != 2 {
			t.Errorf("other messages were held back:\n%s", out.String())
		}
	})
}

func TestMessagesThatVaryAreBoundedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(boundlog.NewHandler(slog.NewTextHandler(&out, nil)))
		for i := range 50_000 {
			log.Warn(fmt.Sprintf("the guest says %d", i), "word", strings.Repeat("x", 10_000))
		}
		if lines := strings.Count(out.String(), "\n"); lines > 520 || out.Len() > 520*5000 {
			t.Errorf("%d lines, %d bytes", lines, out.Len())
		}
		<-time.After(time.Hour)
		out.Reset()
		log.Warn("a new matter")
		if out.Len() == 0 {
			t.Error("what came long ago still has the room")
		}
	})
}

func TestTheLogGoesOnInItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "monitor.log")
	if err := os.WriteFile(path, []byte("the start before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var opened []string
	l, err := boundlog.Append(path, 64, func(f *os.File) error {
		opened = append(opened, f.Name())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if n, err := l.Write([]byte("a line of seventeen\n")); n != 20 || err != nil {
			t.Fatal(n, err)
		}
		if len(opened) == 1 {
			if data, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(data), "the start before\n") {
				t.Fatalf("%q, %v", data, err)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if len(opened) < 100 {
		t.Errorf("told of %d files", len(opened))
	}
	for _, p := range []string{path, path + ".1"} {
		if info, err := os.Stat(p); err != nil || info.Size() > 64 {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
}

func TestStderrFollowsTheLogThatItLeadsTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "monitor.log")
	stderr, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stderr.Close() })
	log := boundlog.Stderr(path, 64, stderr)
	for range 100 {
		if _, err := fmt.Fprintln(log, strings.Repeat("x", 30)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fmt.Fprintln(stderr, "a panic"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !strings.HasSuffix(string(data), "a panic\n") || len(data) > 100 {
		t.Errorf("the log is %q, %v", data, err)
	}
	elsewhere, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = elsewhere.Close() })
	if got := boundlog.Stderr(path, 64, elsewhere); got != elsewhere {
		t.Errorf("stderr that leads elsewhere was replaced by %T", got)
	}
}
