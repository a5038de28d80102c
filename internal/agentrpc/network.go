package agentrpc

import (
	"encoding/json"

	"github.com/bangervm/banger/internal/jsonlist"
)

// MaxListening bounds the sockets of one Listening; a guest with more sends the
// first of them, by protocol, port and address.
const MaxListening = 1024

// Listening is all that listens in the guest, sent once it is ready and then
// whenever it changes, within about half a second. Sockets of other network
// namespaces than the agent's are not seen.
type Listening struct {
	Sockets []Socket `json:"sockets"`
}

// UnmarshalJSON refuses more than MaxListening sockets.
func (l *Listening) UnmarshalJSON(data []byte) error {
	var raw struct {
		Sockets json.RawMessage `json:"sockets"`
	}
	err := json.Unmarshal(data, &raw)
	if err == nil {
		l.Sockets, err = jsonlist.Decode[Socket](raw.Sockets, MaxListening)
	}
	return err
}

// Socket is one listening TCP or bound UDP socket.
type Socket struct {
	Proto   string `json:"proto"`   // "tcp" or "udp"
	Address string `json:"address"` // "0.0.0.0", "::" (which may take IPv4 too: V6Only), "127.0.0.1", …
	Port    uint16 `json:"port"`
	V6Only  bool   `json:"v6only,omitempty"` // of a socket on "::"
	Owner
}

// Owner is the process that has a socket, as far as it is known. It is the
// answer to GET /v1/socket?proto=tcp&port=N, where port is the local one.
type Owner struct {
	PID     int    `json:"pid,omitempty"`
	Process string `json:"process,omitempty"` // comm
	Command string `json:"command,omitempty"` // the arguments, joined by spaces, at most 256 bytes
}

// DialProtocol is the Upgrade token of POST /v1/dial with a DialRequest. After
// 101 the stream carries the connection's bytes as they are, each direction
// ending by itself; for "udp", datagrams, each behind its length in two bytes,
// big-endian. A refusal is an error answer with the code unavailable.
const DialProtocol = "banger-dial-v1"

// FramedDialProtocol is another Upgrade token, for "tcp" and "unix": each direction's
// bytes are in frames, each behind its length in four bytes, big-endian, of at most
// 64 KiB. An empty frame ends the direction. The vsock of some VMMs does not let a
// direction end by itself: Firecracker takes the end of the host's for that of both
// (src/vmm/src/devices/virtio/vsock/csm/connection.rs). An agent that does not know the
// token refuses it with 426 and names DialProtocol.
const FramedDialProtocol = "banger-dial-v2"

// DialRequest asks the agent to connect to something in the guest.
type DialRequest struct {
	Network string `json:"network"` // "tcp", "udp" or "unix"
	Address string `json:"address"` // "127.0.0.1:80", "[::1]:80", or an absolute path
}
