package guest_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
)

const dialed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + agentrpc.DialProtocol + "\r\n\r\n"

const framed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + agentrpc.FramedDialProtocol + "\r\n\r\n"

func TestDialGuestKeepsWhatCameWithTheAnswer(t *testing.T) {
	for name, response := range map[string]string{
		"of this build": framed + "\x00\x00\x00\x04220 \x00\x00\x00\x05hello\x00\x00\x00\x00", "of an older agent": dialed + "220 hello",
	} {
		t.Run(name, func(t *testing.T) { keepsWhatCame(t, response) })
	}
}

func keepsWhatCame(t *testing.T, response string) {
	conn, err := following(t, response, make(chan []byte, 1)).DialGuest(within(t), agentrpc.DialRequest{Network: "tcp", Address: "127.0.0.1:25"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if half, ok := conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		t.Error("its half cannot be closed")
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "220 hello" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestDialGuestReadsDatagrams(t *testing.T) {
	conn, err := answering(t, dialed+"\x00\x03one\x00\x00\x00\x05three\x00\x09cut").DialGuest(within(t), agentrpc.DialRequest{Network: "udp", Address: "127.0.0.1:53"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	buf := make([]byte, 4)
	for _, want := range []string{"one", "", "thre"} { // what does not fit is dropped
		if n, err := conn.Read(buf); err != nil || string(buf[:n]) != want {
			t.Errorf("datagram %q, %v; want %q", buf[:n], err, want)
		}
	}
	if n, err := conn.Read(buf); err == nil {
		t.Errorf("half a datagram: %q", buf[:n])
	}
	if _, err := conn.Write(make([]byte, 1<<16)); err == nil {
		t.Error("a datagram of 64 KiB was taken")
	}
}

func TestDialGuestWritesDatagrams(t *testing.T) {
	// The driver of the test reads the frames behind the request.
	frames := make(chan []byte, 1)
	c := following(t, dialed, frames)
	conn, err := c.DialGuest(within(t), agentrpc.DialRequest{Network: "udp", Address: "127.0.0.1:53"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"one", "", "three"} {
		if n, err := conn.Write([]byte(p)); n != len(p) || err != nil {
			t.Error(n, err)
		}
	}
	_ = conn.Close()
	if got := <-frames; !bytes.Equal(got, []byte("\x00\x03one\x00\x00\x00\x05three")) {
		t.Errorf("frames %q", got)
	}
}

func TestDialGuestRefused(t *testing.T) {
	for name, response := range map[string]string{
		"refused":        "HTTP/1.1 503 X\r\nConnection: close\r\n\r\n{\"code\":\"unavailable\",\"message\":\"connection refused\"}",
		"garbage":        "\x00\x01",
		"other protocol": strings.Replace(framed, agentrpc.FramedDialProtocol, "other", 1),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := answering(t, response).DialGuest(within(t), agentrpc.DialRequest{Network: "tcp", Address: "127.0.0.1:1"})
			if err == nil || name != "other protocol" && !errors.Is(err, fault.Unavailable) {
				t.Errorf("DialGuest = %v, %v", conn, err)
			}
		})
	}
}

func TestSocketOwner(t *testing.T) {
	ok := func(body string) string { return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body }
	got, err := answering(t, ok(`{"pid":7,"process":"cu\u001brl","command":"curl x"}`)).SocketOwner(within(t), "tcp", 4711)
	if want := (agentrpc.Owner{PID: 7, Process: "cu?rl", Command: "curl x"}); err != nil || got != want {
		t.Errorf("SocketOwner = %+v, %v", got, err)
	}
	for name, body := range map[string]string{
		"no json": "{", "long": `{"pid":7,"command":"` + strings.Repeat("x", 257) + `"}`, "endless": `{"process":"` + strings.Repeat("x", 1<<20), "negative": `{"pid":-1}`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := answering(t, ok(body)).SocketOwner(within(t), "udp", 53); !errors.Is(err, fault.Unavailable) {
				t.Errorf("SocketOwner = %+v, %v; want Unavailable", got, err)
			}
		})
	}
}
