package rtnetlink

import (
	"testing"

	"golang.org/x/sys/unix"
)

func FuzzAnswer(f *testing.F) {
	ack := Message{Kind: unix.NLMSG_ERROR, Body: []byte{0, 0, 0, 0}}
	f.Add(ack.bytes(7))
	f.Add(Message{Kind: unix.RTM_NEWLINK}.bytes(7))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = answer(data, 7) })
}

func TestAnswer(t *testing.T) {
	ack := Message{Kind: unix.NLMSG_ERROR, Body: []byte{0, 0, 0, 0}}
	refused := Message{Kind: unix.NLMSG_ERROR, Body: []byte{0xff, 0xff, 0xff, 0xff}} // -EPERM
	other := Message{Kind: unix.RTM_NEWLINK, Body: []byte{1, 2, 3}}
	if done, err := answer(append(other.bytes(1)[:19:19], append([]byte{0}, ack.bytes(7)...)...), 7); !done || err != nil {
		t.Errorf("an acknowledgement behind another message: %v, %v", done, err)
	}
	if done, err := answer(refused.bytes(7), 7); !done || err != unix.EPERM { //nolint:errorlint // it is bare
		t.Errorf("a refusal: %v, %v", done, err)
	}
	if done, _ := answer(ack.bytes(6), 7); done {
		t.Error("another request's acknowledgement was taken")
	}
}
