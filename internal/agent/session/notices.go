package session

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/bangervm/banger/internal/agentrpc"
)

// notice is a notification in the output of a terminal.
type notice struct{ source, text string }

// noticeParser finds notifications in the output of a terminal: BEL outside of control
// strings, OSC 9 (iTerm2, but not ConEmu's "9;4", which is progress), OSC 777
// (rxvt-unicode: "777;notify;TITLE;BODY") and OSC 99 (kitty's desktop notifications).
// A control string begins with ESC and one of ]PX^_, and ends with BEL, ESC \, CAN or
// SUB (ECMA-48, xterm's ctlseqs). It keeps nothing but the beginning of one OSC.
type noticeParser struct {
	state  byte   // ground, or what the bytes before mean
	osc    []byte // what there is of an OSC so far
	kitty  string // the title of a notification of OSC 99 that has more to come
	kittyN int    // how many parts it has, so far
}

const (
	inGround = iota
	inEscape
	inOSC
	inOSCEscape
	inString // any other control string
	inStringEscape
)

// maxOSC bounds what is kept of one OSC, in bytes; maxParts the parts of a notification.
const (
	maxOSC   = 2 << 10
	maxParts = 16
)

// write takes output, and returns the last notification in it, if there is one.
func (n *noticeParser) write(p []byte) (last *notice) {
	for i := 0; i < len(p); i++ {
		if n.state == inGround { // most output is plain
			at := bytes.IndexAny(p[i:], "\x1b\a")
			if at < 0 {
				return last
			}
			i += at
		}
		if found := n.byte(p[i]); found != nil {
			last = found
		}
	}
	return last
}

func (n *noticeParser) byte(c byte) *notice {
	switch n.state {
	case inGround:
		return n.ground(c)
	case inEscape:
		n.escape(c)
	case inOSC:
		return n.inside(c)
	case inString:
		switch c {
		case 0x1b:
			n.state = inStringEscape
		case '\a', 0x18, 0x1a:
			n.state = inGround
		}
	case inOSCEscape:
		if c == '\\' {
			return n.end()
		}
		n.escape(c)
	default: // after an ESC in another string
		n.state = inGround
		if c != '\\' {
			n.escape(c)
		}
	}
	return nil
}

func (n *noticeParser) ground(c byte) *notice {
	switch c {
	case '\a':
		return &notice{source: "bel"}
	case 0x1b:
		n.state = inEscape
	}
	return nil
}

// escape takes the byte after an ESC.
func (n *noticeParser) escape(c byte) {
	switch c {
	case ']':
		n.state, n.osc = inOSC, n.osc[:0]
	case 'P', 'X', '^', '_':
		n.state = inString
	case 0x1b:
		n.state = inEscape
	default:
		n.state = inGround
	}
}

func (n *noticeParser) inside(c byte) *notice {
	switch {
	case c == '\a':
		return n.end()
	case c == 0x1b:
		n.state = inOSCEscape
	case c == 0x18 || c == 0x1a:
		n.state = inGround
	case len(n.osc) < maxOSC:
		n.osc = append(n.osc, c)
	}
	return nil
}

// end is the end of an OSC.
func (n *noticeParser) end() *notice {
	n.state = inGround
	number, rest, _ := strings.Cut(string(n.osc), ";")
	switch number {
	case "9":
		if rest == "4" || strings.HasPrefix(rest, "4;") {
			return nil
		}
		return &notice{"osc9", bounded(rest)}
	case "777":
		verb, text, _ := strings.Cut(rest, ";")
		if verb != "notify" {
			return nil
		}
		title, body, _ := strings.Cut(text, ";")
		return &notice{"osc777", bounded(strings.TrimSpace(title + " " + body))}
	case "99":
		return n.desktop(rest)
	}
	return nil
}

// desktop is an OSC 99: METADATA;PAYLOAD, where the metadata are KEY=VALUE with colons
// between. "d=0" says that more of it comes, "p" what the payload is, "e=1" that it is
// in base64.
func (n *noticeParser) desktop(rest string) *notice {
	metadata, payload, _ := strings.Cut(rest, ";")
	done, kind, coded := true, "title", false
	for pair := range strings.SplitSeq(metadata, ":") {
		switch key, value, _ := strings.Cut(pair, "="); key {
		case "d":
			done = value != "0"
		case "p":
			kind = value
		case "e":
			coded = value == "1"
		}
	}
	if kind != "title" && kind != "body" { // closing one, a query, an icon
		return nil
	}
	if coded {
		data, err := base64.StdEncoding.DecodeString(payload)
		if err != nil {
			data, _ = base64.RawStdEncoding.DecodeString(payload) // unpadded is allowed; what is not base64 has no text
		}
		payload = string(data)
	}
	n.kitty = bounded(strings.TrimSpace(n.kitty + " " + payload))
	if n.kittyN++; !done && n.kittyN < maxParts {
		return nil
	}
	found := &notice{"osc99", n.kitty}
	n.kitty, n.kittyN = "", 0
	return found
}

func bounded(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), agentrpc.MaxSaid)], "")
}
