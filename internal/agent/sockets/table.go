// Package sockets finds the open ports of the guest, and which process has a
// socket, by proc(5).
package sockets

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxTable bounds what is read of one table, in bytes: of UDP and of connections
// a guest may have very many.
const maxTable = 4 << 20

// States of a socket, include/net/tcp_states.h. An unconnected UDP socket is in
// state "close".
const (
	stateClose  = 7
	stateListen = 10
)

// entry is one line of a table.
type entry struct {
	local netip.AddrPort
	state uint8
	inode uint64 // 0: of no process any more
}

// tables are the files with the sockets of a protocol.
func tables(proto string) []string { return []string{proto, proto + "6"} }

// scan calls each with the lines of a table, until one of them is enough. A
// table that the kernel does not have is empty.
func scan(proc, table string, each func(entry) (more bool)) error {
	f, err := os.Open(filepath.Join(proc, "net", table))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return scanLines(io.LimitReader(f, maxTable), nil, each)
}

// kept are tables that stay open: to open one costs more than to read it, and to
// ask for what is behind the end goes through all of the kernel's connections
// again. It is used by one goroutine.
type kept struct {
	proc  string
	files map[string]*os.File
	buf   [16 << 10]byte
}

func (k *kept) close() {
	for _, f := range k.files {
		_ = f.Close()
	}
}

func (k *kept) scan(table string, each func(entry) (more bool)) error {
	f := k.files[table]
	if f == nil {
		var err error
		f, err = os.Open(filepath.Join(k.proc, "net", table))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		k.files[table] = f
	}
	return scanLines(io.LimitReader(&tableReader{file: f}, maxTable), k.buf[:], each)
}

// tableReader reads a table from its beginning. The kernel gives as many whole
// lines as fit in what was asked for and in a page, so that where there was room
// for one more, that was all.
type tableReader struct {
	file *os.File
	at   int64
	done bool
}

func (r *tableReader) Read(p []byte) (int, error) {
	const page, line = 4 << 10, 512 // the least and the most they can be
	if r.done {
		return 0, io.EOF
	}
	n, err := unix.Pread(int(r.file.Fd()), p, r.at)
	if err != nil {
		return 0, err
	}
	r.at += int64(n)
	r.done = n+line <= min(len(p), page)
	return n, nil
}

// scanLines passes over lines that are none of a socket, as the first is.
func scanLines(r io.Reader, buf []byte, each func(entry) (more bool)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(buf, bufio.MaxScanTokenSize)
	for lines.Scan() {
		if e, ok := parse(lines.Bytes()); ok && !each(e) {
			return nil
		}
	}
	return lines.Err()
}

// parse reads a line of /proc/net/{tcp,tcp6,udp,udp6}: "sl: local remote state
// queues timer retransmits uid timeout inode …".
func parse(line []byte) (e entry, ok bool) {
	const local, state, inode = 1, 3, 9
	var number uint64
	var err error
	i := 0
	for field := range bytes.FieldsSeq(line) {
		switch i {
		case local:
			e.local, ok = parseAddress(field)
		case state:
			number, err = strconv.ParseUint(string(field), 16, 8)
			e.state, ok = uint8(number), err == nil
		case inode:
			e.inode, err = strconv.ParseUint(string(field), 10, 64)
			return e, err == nil
		default:
			ok = true
		}
		if !ok {
			return e, false
		}
		i++
	}
	return e, false
}

// parseAddress reads "0100007F:1F90": words of 32 bits in the machine's order,
// and the port.
func parseAddress(field []byte) (netip.AddrPort, bool) {
	address, port, ok := bytes.Cut(field, []byte{':'})
	if !ok || len(address) != 8 && len(address) != 32 || len(port) != 4 {
		return netip.AddrPort{}, false
	}
	var raw [16]byte
	n, err := hex.Decode(raw[:], address)
	if err != nil {
		return netip.AddrPort{}, false
	}
	for word := raw[:n]; len(word) > 0; word = word[4:] {
		binary.BigEndian.PutUint32(word, binary.NativeEndian.Uint32(word))
	}
	number, err := strconv.ParseUint(string(port), 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	addr, _ := netip.AddrFromSlice(raw[:n])
	return netip.AddrPortFrom(addr, uint16(number)), true
}
