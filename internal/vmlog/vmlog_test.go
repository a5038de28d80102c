package vmlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/statedir"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTail(t *testing.T) {
	for name, c := range map[string]struct {
		old, now string
		tail     int
		want     string
	}{
		"all":                   {"", "a\nb\n", -1, "a\nb\n"},
		"all of both":           {"x\n", "a\n", -1, "x\na\n"},
		"none":                  {"x\n", "a\nb\n", 0, ""},
		"last":                  {"x\n", "a\nb\n", 1, "b\n"},
		"last without newline":  {"", "a\nb", 1, "b"},
		"all of it":             {"x\n", "a\nb\n", 2, "a\nb\n"},
		"into the old":          {"x\ny\n", "a\nb\n", 3, "y\na\nb\n"},
		"more than there is":    {"x\n", "a\n", 99, "x\na\n"},
		"more, and no old":      {"", "a\n", 99, "a\n"},
		"nothing printed":       {"", "", 5, ""},
		"empty lines count":     {"", "a\n\n\n", 2, "\n\n"},
		"across blocks":         {"", strings.Repeat("z", 3*block) + "\nq\n", 2, strings.Repeat("z", 3*block) + "\nq\n"},
		"begins after a block":  {"", strings.Repeat("z", 3*block) + "\nq\n", 1, "q\n"},
		"only the old has text": {"x\ny\n", "", 1, "y\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := statedir.VM(t.TempDir())
			if c.old != "" {
				write(t, dir.OldConsole(), c.old)
			}
			if c.now != "" {
				write(t, dir.Console(), c.now)
			}
			if got := readAll(t, dir, c.tail); got != c.want {
				t.Errorf("got %.40q, want %.40q", got, c.want)
			}
		})
	}
}

func readAll(t interface {
	Helper()
	Fatal(args ...any)
}, dir statedir.VM, tail int,
) string {
	t.Helper()
	r, err := Open(context.Background(), dir, Options{Tail: tail})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// TestTailIsTheEndOfTheLines compares with splitting the whole text.
func TestTailIsTheEndOfTheLines(t *testing.T) {
	dir := statedir.VM(t.TempDir())
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"", "a", "bb", "\n", "\n\n", strings.Repeat("c", block-1)})).Draw(rt, "text"), "")
		tail := rapid.IntRange(0, 10).Draw(rt, "tail")
		if err := os.WriteFile(dir.Console(), []byte(text), 0o600); err != nil {
			rt.Fatal(err)
		}
		lines := strings.SplitAfter(text, "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		want := strings.Join(lines[max(0, len(lines)-tail):], "")
		if got := readAll(rt, dir, tail); got != want {
			rt.Fatalf("tail %d of %.60q: got %.60q", tail, text, got)
		}
	})
}

func TestFollowAcrossRotations(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := statedir.VM(t.TempDir())
	write(t, dir.Console(), "line 0\n")
	var alive atomic.Bool
	alive.Store(true)
	r, err := Open(t.Context(), dir, Options{Tail: -1, Follow: true, Alive: alive.Load})
	if err != nil {
		t.Fatal(err)
	}
	want := "line 0\n"
	for i := 1; i < 200; i++ {
		want += fmt.Sprintf("line %d\n", i)
	}
	go func() {
		for i := 1; i < 200; i++ {
			if i%50 == 0 {
				_ = os.Rename(dir.Console(), dir.OldConsole())
			}
			f, err := os.OpenFile(dir.Console(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = fmt.Fprintf(f, "line %d\n", i)
			_ = f.Close()
			if i%50 == 49 {
				<-time.After(20 * time.Millisecond) // one rotation at a time is what is promised
			}
		}
		alive.Store(false)
	}()
	got, err := io.ReadAll(r)
	if err != nil || string(got) != want {
		t.Errorf("%v, got %d bytes of %d", err, len(got), len(want))
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestFollowBeginsBeforeTheFirstLine(t *testing.T) {
	dir := statedir.VM(t.TempDir())
	asked := 0
	r, err := Open(t.Context(), dir, Options{Tail: 0, Follow: true, Alive: func() bool {
		asked++
		if asked == 1 {
			write(t, dir.Console(), "late\n")
		}
		return asked < 3
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if got, err := io.ReadAll(r); err != nil || string(got) != "late\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Open(ctx, statedir.VM(t.TempDir()), Options{Follow: true, Alive: func() bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoDirectory(t *testing.T) {
	dir := statedir.VM(t.TempDir() + "/none")
	if got := readAll(t, dir, -1); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestTheEgressLogIsReadAlike(t *testing.T) {
	dir := statedir.VM(t.TempDir())
	write(t, dir.Console(), "not this\n")
	write(t, dir.OldEgressLog(), "a\nb\n")
	write(t, dir.EgressLog(), "c\n")
	r, err := OpenEgress(t.Context(), dir, Options{Tail: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if got, err := io.ReadAll(r); err != nil || string(got) != "b\nc\n" {
		t.Errorf("read %q, %v", got, err)
	}
}
