package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/bangervm/banger/internal/agent/account"
)

// An input that waits for more goes on until the command has ended.
func TestAttendEndsTheInput(t *testing.T) {
	me := account.Account{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	files, err := OpenFiles(me, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	proc, err := files.Start(Spec{Argv: []string{"sh", "-c", "exit 3"}, Dir: "/", User: me, Env: []string{"PATH=" + DefaultPath}})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Release()
	ended := make(chan struct{})
	fed := false
	status, signal, err := files.Attend(proc, Copies{
		Out:   func(_ int, o *Output) { _ = o.Each(make([]byte, 64), func(int) error { return io.EOF }) },
		In:    func() { <-ended; fed = true },
		Ended: func() { close(ended) },
	})
	if status != 3 || signal != 0 || err != nil || !fed {
		t.Errorf("status %d, signal %d, %v; the input ended: %v", status, signal, err, fed)
	}
	proc.HangUp() // nothing is left to hang up
}

func TestStatusOf(t *testing.T) {
	for want, err := range map[int]error{
		StatusNotFound:  fmt.Errorf("start: %w", &StartError{StatusNotFound, errors.New("x")}),
		StatusCannotRun: errors.New("no more processes"),
	} {
		if got := StatusOf(err); got != want {
			t.Errorf("%v: %d, not %d", err, got, want)
		}
	}
}
