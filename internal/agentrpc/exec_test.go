package agentrpc_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
)

func TestFramesRoundTrip(t *testing.T) {
	var line bytes.Buffer
	payloads := [][]byte{nil, []byte("x"), bytes.Repeat([]byte("y"), agentrpc.MaxFrame)}
	for i, p := range payloads {
		if err := agentrpc.WriteFrame(&line, agentrpc.FrameStdin+agentrpc.FrameType(i), p); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range payloads {
		ft, got, err := agentrpc.ReadFrame(&line, nil)
		if err != nil || ft != agentrpc.FrameStdin+agentrpc.FrameType(i) || !bytes.Equal(got, want) {
			t.Errorf("frame %d: type %d, %d bytes, %v", i, ft, len(got), err)
		}
	}
	if _, _, err := agentrpc.ReadFrame(&line, nil); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want EOF", err)
	}
}

func TestFramesAreBounded(t *testing.T) {
	if err := agentrpc.WriteFrame(io.Discard, agentrpc.FrameStdin, make([]byte, agentrpc.MaxFrame+1)); !errors.Is(err, agentrpc.ErrFrame) {
		t.Errorf("WriteFrame = %v, want ErrFrame", err)
	}
	for name, head := range map[string][]byte{
		"too long": {1, 0, 1, 0, 1}, "type 0": {0, 0, 0, 0, 0}, "type 9": {9, 0, 0, 0, 0},
	} {
		if _, _, err := agentrpc.ReadFrame(bytes.NewReader(head), nil); !errors.Is(err, agentrpc.ErrFrame) {
			t.Errorf("%s: %v, want ErrFrame", name, err)
		}
	}
	if _, _, err := agentrpc.ReadFrame(bytes.NewReader([]byte{1, 0, 0, 0, 5, 'x'}), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut short: %v, want ErrUnexpectedEOF", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{5, 0, 0, 0, 2, 'h', 'i'})
	f.Add([]byte{7, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		var buf []byte
		for {
			ft, payload, err := agentrpc.ReadFrame(r, buf)
			if err != nil {
				return
			}
			if len(payload) > agentrpc.MaxFrame || ft < agentrpc.FrameStdin || ft > agentrpc.FrameError {
				t.Fatalf("type %d, %d bytes", ft, len(payload))
			}
			buf = payload[:cap(payload)]
		}
	})
}
