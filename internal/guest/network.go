package guest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
)

// maxWord and maxCommand bound what a guest says of a process, in bytes.
const (
	maxWord    = 64
	maxCommand = 256
)

// DialGuest connects to something in the guest, from inside it: for "tcp" and
// "unix" the connection has CloseWrite; for "udp" each Read gives one datagram,
// cut to what fits, and each Write sends one. ctx bounds
// the dial only. What does not answer in the guest is Unavailable.
func (c Client) DialGuest(ctx context.Context, req agentrpc.DialRequest) (net.Conn, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	conn, resp, err := c.do(ctx, http.MethodPost, agentrpc.PathDial, agentrpc.DialProtocol, body)
	if err != nil {
		return nil, err
	}
	if resp.status != http.StatusSwitchingProtocols || resp.upgrade != agentrpc.DialProtocol {
		return nil, errors.Join(plainRefusal(resp), conn.Close())
	}
	conn = after(conn, resp)
	if req.Network == "udp" {
		return &datagrams{Conn: conn}, nil
	}
	return conn, nil
}

// SocketOwner returns the process in the guest that has a socket of proto ("tcp"
// or "udp") with this local port; it is empty where that is not known. What it
// says of itself is the guest's word, bounded and printable.
func (c Client) SocketOwner(ctx context.Context, proto string, port uint16) (agentrpc.Owner, error) {
	query := url.Values{"proto": {proto}, "port": {strconv.Itoa(int(port))}}
	owner, err := ask[agentrpc.Owner](ctx, c, http.MethodGet, agentrpc.PathSocket+"?"+query.Encode(), nil, maxBody)
	if err != nil {
		return agentrpc.Owner{}, err
	}
	if len(owner.Process) > maxWord || len(owner.Command) > maxCommand || owner.PID < 0 {
		return agentrpc.Owner{}, fault.New(fault.Unavailable, "the guest's word on its port %d is malformed", port)
	}
	owner.Process, owner.Command = printable(owner.Process), printable(owner.Command)
	return owner, nil
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// datagrams is a stream of datagrams, each behind its length in two bytes.
type datagrams struct {
	net.Conn
	reading, writing sync.Mutex
}

// Read reads one datagram; what does not fit is dropped, as by recv(2). A
// deadline that passes within one closes the connection.
func (d *datagrams) Read(p []byte) (int, error) {
	d.reading.Lock()
	defer d.reading.Unlock()
	var head [2]byte
	if n, err := io.ReadFull(d.Conn, head[:]); err != nil {
		if n > 0 {
			_ = d.Close()
		}
		return 0, err
	}
	size := int(binary.BigEndian.Uint16(head[:]))
	n, err := io.ReadFull(d.Conn, p[:min(size, len(p))])
	if err == nil && n < size {
		_, err = io.CopyN(io.Discard, d.Conn, int64(size-n))
	}
	if err != nil {
		_ = d.Close()
	}
	return n, err
}

// Write sends one datagram.
func (d *datagrams) Write(p []byte) (int, error) {
	if len(p) > 1<<16-1 {
		return 0, fmt.Errorf("a datagram of %d bytes", len(p))
	}
	d.writing.Lock()
	defer d.writing.Unlock()
	frame := append(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(p)), uint16(len(p))), p...)
	if _, err := d.Conn.Write(frame); err != nil {
		return 0, err
	}
	return len(p), nil
}
