package mcp

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Text is what a command wrote to one stream, shortened in the middle.
type Text struct {
	Text    string `json:"text" jsonschema:"output; if too long, head and tail around a note"`
	Bytes   int64  `json:"bytes" jsonschema:"total written"`
	Omitted int64  `json:"omitted_bytes,omitempty" jsonschema:"bytes missing from the middle"`
	Binary  bool   `json:"binary,omitempty" jsonschema:"bytes that are not UTF-8 were replaced"`
}

// headTail keeps the first and the last bytes of a stream.
type headTail struct {
	limit int // bytes of both together
	head  []byte
	tail  []byte // a ring once it is full
	at    int    // where the ring begins
	total int64
}

func (h *headTail) headSize() int { return h.limit / 2 }
func (h *headTail) tailSize() int { return h.limit - h.limit/2 }

// Write never fails.
func (h *headTail) Write(p []byte) (int, error) {
	n := len(p)
	h.total += int64(n)
	if room := h.headSize() - len(h.head); room > 0 {
		take := min(room, len(p))
		h.head = append(h.head, p[:take]...)
		p = p[take:]
	}
	size := h.tailSize()
	if skip := len(p) - size; skip > 0 {
		p = p[skip:]
	}
	for len(p) > 0 {
		if room := size - len(h.tail); room > 0 {
			take := min(room, len(p))
			h.tail = append(h.tail, p[:take]...)
			p = p[take:]
			continue
		}
		copied := copy(h.tail[h.at:], p)
		h.at = (h.at + copied) % size
		p = p[copied:]
	}
	return n, nil
}

// text is what was kept. Characters that the cut went through are left out too.
func (h *headTail) text() Text {
	head := h.head
	tail := append(append([]byte{}, h.tail[h.at:]...), h.tail[:h.at]...)
	out := Text{Bytes: h.total}
	if h.total == int64(len(head)+len(tail)) {
		out.Text, out.Binary = validText(append(append([]byte{}, head...), tail...))
		return out
	}
	head = head[:len(head)-cutAtEnd(head)]
	tail = tail[cutAtStart(tail):]
	out.Omitted = h.total - int64(len(head)+len(tail))
	first, binary := validText(head)
	last, also := validText(tail)
	out.Text = fmt.Sprintf("%s\n[… %d bytes left out …]\n%s", strings.TrimSuffix(first, "\n"), out.Omitted, last)
	out.Binary = binary || also
	return out
}

// validText replaces what is not UTF-8, and nothing else: it is data, which the
// agent may have to write back as it was.
func validText(p []byte) (text string, replaced bool) {
	if utf8.Valid(p) {
		return string(p), false
	}
	return strings.ToValidUTF8(string(p), "\ufffd"), true
}

// cutAtEnd is how many bytes at the end of p are the beginning of a character
// whose rest is missing.
func cutAtEnd(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if b := p[len(p)-n]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(p[len(p)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// cutAtStart is how many bytes at the start of p are the end of a character
// whose beginning is missing.
func cutAtStart(p []byte) int {
	n := 0
	for n < len(p) && n < utf8.UTFMax-1 && !utf8.RuneStart(p[n]) {
		n++
	}
	if n == len(p) || utf8.RuneStart(p[n]) {
		return n
	}
	return 0
}
