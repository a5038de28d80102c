package rtnetlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Message is a request: its kind (RTM_NEWLINK, …), the flags of netlink(7) besides
// NLM_F_REQUEST and NLM_F_ACK, and its body.
type Message struct {
	Kind, Flags uint16
	Body        []byte
}

// Link is a request of this kind about the interface of this number, 0 for one that
// is to be created; up brings it up. Its body is a struct ifinfomsg.
func Link(kind uint16, index int32, up bool) Message {
	ne := binary.NativeEndian
	m := Message{Kind: kind, Body: make([]byte, unix.SizeofIfInfomsg)}
	ne.PutUint32(m.Body[4:], uint32(index))
	if up {
		ne.PutUint32(m.Body[8:], unix.IFF_UP)  // the flags
		ne.PutUint32(m.Body[12:], unix.IFF_UP) // and which of them to change
	}
	return m
}

// bytes is the request with its header, netlink(7), asking for an acknowledgement.
func (m Message) bytes(seq uint32) []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(m.Body)))
	b = ne.AppendUint16(b, m.Kind)
	b = ne.AppendUint16(b, m.Flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	b = ne.AppendUint32(b, seq)
	b = ne.AppendUint32(b, 0) // the kernel knows whose socket it is
	return append(b, m.Body...)
}

// Attribute appends one, padded to four bytes.
func (m *Message) Attribute(kind uint16, data []byte) {
	ne := binary.NativeEndian
	m.Body = ne.AppendUint16(m.Body, uint16(unix.SizeofRtAttr+len(data)))
	m.Body = ne.AppendUint16(m.Body, kind)
	m.Body = append(m.Body, data...)
	for len(m.Body)%4 != 0 {
		m.Body = append(m.Body, 0)
	}
}

// Number appends an attribute of 32 bits.
func (m *Message) Number(kind uint16, n uint32) {
	m.Attribute(kind, binary.NativeEndian.AppendUint32(nil, n))
}

// Nested appends an attribute that consists of the body of another message.
func (m *Message) Nested(kind uint16, of Message) {
	m.Attribute(kind|unix.NLA_F_NESTED, of.Body)
}
