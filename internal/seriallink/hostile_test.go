package seriallink_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/seriallink"
)

const magic = "\xb4nger-link/v1\r\n"

// hostileGuest answers the handshake properly and then sends data.
func hostileGuest(t *testing.T, line net.Conn, data []byte) {
	t.Helper()
	hello := make([]byte, 32)
	if _, err := io.ReadFull(line, hello); err != nil {
		return
	}
	echo := append([]byte(magic+"e"), hello[16:]...)
	if _, err := line.Write(echo); err != nil {
		return
	}
	if _, err := io.ReadFull(line, make([]byte, 32)); err != nil {
		return
	}
	go func() { _, _ = io.Copy(io.Discard, line) }()
	_, _ = line.Write(data)
}

func frame(version, kind byte, flags uint16, stream, length uint32) []byte {
	b := []byte{version, kind}
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	return binary.BigEndian.AppendUint32(b, length)
}

func refuse(context.Context, uint32) func(net.Conn) { return nil }

// A guest that breaks the rules loses its link, and costs the host nothing else.
func TestHostileGuestLosesItsLink(t *testing.T) {
	var flood []byte
	for i := range uint32(2000) {
		flood = append(flood, frame(0, 1, 1, 2+2*i, 0)...) // SYN
	}
	for name, data := range map[string][]byte{
		"a ping":           frame(0, 2, 1, 0, 1),
		"another version":  frame(7, 0, 0, 1, 0),
		"an unknown type":  frame(0, 9, 0, 1, 0),
		"an endless frame": frame(0, 0, 1, 2, 1<<31),
		"a twin":           append(frame(0, 1, 1, 2, 0), frame(0, 1, 1, 2, 0)...),
		"many streams":     append(flood, frame(0, 9, 0, 1, 0)...),
	} {
		t.Run(name, func(t *testing.T) {
			hostEnd, guestEnd := pair(t)
			go hostileGuest(t, guestEnd, data)
			l, err := seriallink.Host(within(t), hostEnd)
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- l.Serve(t.Context(), refuse) }()
			select {
			case err := <-served:
				if err == nil {
					t.Error("Serve returned nil")
				}
			case <-time.After(15 * time.Second):
				t.Error("the link lives on")
			}
			_ = l.Close()
		})
	}
}

func TestHostGivesUpOnEndlessJunk(t *testing.T) {
	hostEnd, guestEnd := pair(t)
	go func() { _, _ = io.Copy(io.Discard, guestEnd) }()
	go func() {
		junk := bytes.Repeat([]byte(magic[:14]), 1<<12)
		for {
			if _, err := guestEnd.Write(junk); err != nil {
				return
			}
		}
	}()
	if l, err := seriallink.Host(within(t), hostEnd); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Host = %v, %v; want it to give up by itself", l, err)
	}
}

func FuzzHostParsing(f *testing.F) {
	f.Add(frame(0, 1, 1, 2, 0))
	f.Add(append(frame(0, 0, 1, 2, 4), 0, 0, 4, 0))
	f.Add(append(frame(0, 0, 5, 2, 1), 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		hostEnd, guestEnd := pair(t)
		go func() {
			hostileGuest(t, guestEnd, data)
			_ = guestEnd.Close()
		}()
		l, err := seriallink.Host(within(t), hostEnd)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Serve(t.Context(), refuse)
		_ = l.Close()
	})
}

func FuzzGuestParsing(f *testing.F) {
	f.Add([]byte(magic + "h0123456789abcdef" + magic + "s0123456789abcdef"))
	f.Add([]byte(magic + "s0123456789abcdef"))
	f.Add(append([]byte(magic+"h0123456789abcdef"+magic+"s0123456789abcdef"), frame(0, 1, 1, 1, 0)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		hostEnd, guestEnd := pair(t)
		p := &port{conn: guestEnd}
		go func() { _, _ = io.Copy(io.Discard, hostEnd) }()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := hostEnd.Write(data); err != nil {
			return // more than the line holds
		}
		if l, err := seriallink.Guest(ctx, p); err == nil {
			_ = hostEnd.Close()
			_ = l.Serve(ctx, refuse)
			_ = l.Close()
		}
	})
}

// A guest that opens and closes streams without end has only so many of them
// served as it has turns.
func TestStreamsOfTheGuestAreRationed(t *testing.T) {
	const turns = 10
	hostEnd, guestEnd := pair(t)
	var flood []byte
	for id := uint32(2); id < 400; id += 2 {
		flood = append(flood, frame(0, 1, 1, id, 0)...)                     // SYN
		flood = append(append(flood, frame(0, 0, 0, id, 4)...), 0, 0, 4, 0) // port 1024
		flood = append(flood, frame(0, 1, 4, id, 0)...)                     // FIN
	}
	go hostileGuest(t, guestEnd, flood)
	l, err := seriallink.Host(within(t), hostEnd)
	if err != nil {
		t.Fatal(err)
	}
	seriallink.SetTurns(l, pace.New(turns, time.Hour))
	served := make(chan struct{}, 400)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- l.Serve(ctx, func(context.Context, uint32) func(net.Conn) {
			served <- struct{}{}
			return nil
		})
	}()
	for range turns {
		<-served
	}
	cancel()
	t.Logf("ended: %v", <-ended)
	if more := len(served); more != 0 {
		t.Errorf("%d streams were served beyond their turns", more)
	}
}
