package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
)

func FuzzReceive(f *testing.F) {
	f.Add([]byte{5, 0, 0, 0, 1, 'x', 7, 0, 0, 0, 4, 0, 0, 0, 9})
	f.Add([]byte{8, 0, 0, 0, 5, 0, 0, 0, 127, 'x'})
	f.Add([]byte{7, 0, 0, 0, 4, 0, 0, 1, 0})
	f.Add([]byte{8, 0, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		status, err := receive(bytes.NewReader(data), &out, io.Discard)
		if err == nil && (status < 0 || status > 255) {
			t.Errorf("status %d", status)
		}
		if out.Len() > len(data) {
			t.Errorf("%d bytes of output from %d", out.Len(), len(data))
		}
		if started, ok := errors.AsType[*NotStartedError](err); ok && (started.Status < 125 || started.Status > 127) {
			t.Errorf("not started with status %d", started.Status)
		}
	})
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// duplex reads what a guest sent, and keeps what it gets.
type duplex struct {
	io.Reader
	got bytes.Buffer
}

func (d *duplex) Write(p []byte) (int, error) { return d.got.Write(p) }
func (d *duplex) Close() error                { return nil }

func frames(t *testing.T, list ...string) *duplex {
	t.Helper()
	var stream bytes.Buffer
	for i := 0; i < len(list); i += 2 {
		if err := agentrpc.WriteFrame(&stream, agentrpc.FrameType(list[i][0]), []byte(list[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	return &duplex{Reader: &stream}
}

const (
	stdout = string(agentrpc.FrameStdout)
	failed = string(agentrpc.FrameError)
)

func TestRunTellsWhoseFaultItIs(t *testing.T) {
	_, err := NewExecution("box", frames(t, stdout, "x")).Run(t.Context(), brokenWriter{}, io.Discard)
	if _, ok := errors.AsType[*OutputError](err); !ok || errors.Is(err, fault.Unavailable) {
		t.Errorf("a full disk here is called a broken connection: %v", err)
	}
	_, err = NewExecution("box", frames(t, failed, "\x00\x00\x00\x7fno such")).Run(t.Context(), io.Discard, io.Discard)
	if started, ok := errors.AsType[*NotStartedError](err); !ok || started.Status != 127 || errors.Is(err, fault.Unavailable) {
		t.Errorf("a command that did not start is called a broken connection: %v", err)
	}
	if _, err = NewExecution("box", frames(t, stdout, "x")).Run(t.Context(), io.Discard, io.Discard); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "box") {
		t.Errorf("a broken connection: %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _ = there.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewExecution("box", here).Run(ctx, io.Discard, io.Discard); !errors.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
}

func TestInputGoesInWholeFrames(t *testing.T) {
	d := frames(t)
	e := NewExecution("box", d)
	input := strings.Repeat("x", maxInput+1)
	e.Resize(24, 80)
	e.Signal("INT")
	e.Feed(strings.NewReader(input))
	var got []string
	fed := 0
	for {
		kind, payload, err := agentrpc.ReadFrame(&d.got, nil)
		if err != nil {
			break
		}
		if kind == agentrpc.FrameStdin {
			fed += len(payload)
			continue
		}
		got = append(got, fmt.Sprintf("%d %q", kind, payload))
	}
	want := []string{
		fmt.Sprintf("%d %q", agentrpc.FrameResize, "\x00\x18\x00\x50"), fmt.Sprintf("%d %q", agentrpc.FrameSignal, "INT"),
		fmt.Sprintf("%d %q", agentrpc.FrameStdinEOF, ""),
	}
	if diff := cmp.Diff(want, got); diff != "" || fed != len(input) {
		t.Errorf("%d bytes fed, %s", fed, diff)
	}
}
