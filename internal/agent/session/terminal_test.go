package session_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestTerminalResizesAndEndsItsInput(t *testing.T) {
	req := request(t, "sh", "-c", "stty size; read x; stty size; cat; echo over")
	req.Spec.TTY, req.Rows, req.Cols = true, 33, 77
	s := start(t, req)
	p := attach(t, s, agentrpc.SessionAttach{Writer: "w", Rows: 33, Cols: 77})
	p.listen(func(h *heard) bool { return h.has("33 77") })
	p.hello.Stdout = s.Info().StdoutBytes
	p.write(agentrpc.AppendFrame(nil, agentrpc.AttachResize, []byte{0, 40, 0, 100}))
	p.stdin(0, "go\n")
	p.eof(3)
	if h := p.listen(nil); !h.has("40 100") || !h.has("over") {
		t.Errorf("the terminal showed %q", h.text[0].String())
	}
}

func TestTerminalIsRepainted(t *testing.T) {
	req := request(t, "sh", "-c", `printf '\033[?2004h\033[?25l'; yes "a line of text" | head -n 20000; echo last; read x`)
	req.Spec.TTY = true
	s := start(t, req)
	attach(t, s, agentrpc.SessionAttach{ReadOnly: true}).listen(func(h *heard) bool { return h.has("last") })
	p := attach(t, s, agentrpc.SessionAttach{Writer: "w", Repaint: true})
	h := p.listen(func(h *heard) bool { return h.has("last") })
	if text := h.text[0].String(); !strings.HasPrefix(text, "a line of text\r\n") || len(text) > 65<<10 {
		t.Errorf("%d bytes, beginning %.40q", len(text), text)
	}
	if modes := string(p.hello.Modes); modes != "\x1b[?25l\x1b[?2004h" {
		t.Errorf("modes %q", modes)
	}
}

// A program in the alternate screen is asked to paint it, instead of its past.
func TestAlternateScreenIsPaintedAnew(t *testing.T) {
	req := request(t, "sh", "-c", `trap 'echo painted' WINCH; printf '\033[?1049h'; echo first; while :; do sleep 0.05; done`)
	req.Spec.TTY, req.Rows, req.Cols = true, 24, 80
	s := start(t, req)
	attach(t, s, agentrpc.SessionAttach{ReadOnly: true}).listen(func(h *heard) bool { return h.has("first") })
	p := attach(t, s, agentrpc.SessionAttach{Writer: "w", Repaint: true, Rows: 24, Cols: 80})
	if h := p.listen(func(h *heard) bool { return h.has("painted") }); h.has("first") {
		t.Errorf("its past was sent: %q", h.text[0].String())
	}
	if modes := string(p.hello.Modes); modes != "\x1b[?1049h" {
		t.Errorf("modes %q", modes)
	}
}
