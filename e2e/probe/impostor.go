package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/monitor/testguest/flood"
	"github.com/bangervm/banger/internal/seriallink"
)

// impostor does something on a link to the host, and on the port below it, until
// ctx ends or the link does.
type impostor func(ctx context.Context, port *os.File, link *seriallink.Link)

func impostors() map[string]impostor {
	return map[string]impostor{
		"messages": func(ctx context.Context, _ *os.File, link *seriallink.Link) { flood.Streams(ctx, link) },
		"frames":   frames,
		"junk":     junk,
		"answers":  wrongAnswers,
	}
}

// impersonate ends the agent, takes its port, and attacks until ctx ends, on as
// many links as it returns. The agent's successor waits for the port, and has it
// then.
func impersonate(ctx context.Context, attack impostor) (links int, err error) {
	port, err := takePort(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = port.Close() }()
	for ; ctx.Err() == nil; links++ {
		if err := seriallink.Interrupt(port); err != nil {
			return links, err
		}
		link, err := seriallink.Guest(ctx, port)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return links, err
		}
		attack(ctx, port, link)
		_ = link.Close()
	}
	return links, nil
}

// takePort opens the agent's port, which one process may have open at a time.
func takePort(ctx context.Context) (*os.File, error) {
	path, err := portPath()
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if port, err := seriallink.OpenPort(path); err == nil {
			return port, nil
		}
		endAgent()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func portPath() (string, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(data)) == "banger.agent" {
			return filepath.Join("/dev", filepath.Base(filepath.Dir(name))), nil
		}
	}
	return "", errors.New("no agent port")
}

// endAgent kills whatever process is an agent, but for PID 1.
func endAgent() {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid < 2 {
			continue
		}
		if cmdline, err := os.ReadFile(path); err == nil && bytes.HasPrefix(cmdline, []byte("banger-vsock-agent\x00")) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// yamux's frames, by github.com/hashicorp/yamux/blob/master/spec.md.
const (
	typeData, typeUpdate, typePing, typeGoAway = 0, 1, 2, 3
	flagSYN, flagFIN, flagRST                  = 1, 4, 8
)

func frame(kind byte, flags uint16, stream, length uint32) []byte {
	p := []byte{0, kind}
	p = binary.BigEndian.AppendUint16(p, flags)
	p = binary.BigEndian.AppendUint32(p, stream)
	return binary.BigEndian.AppendUint32(p, length)
}

// frames opens streams without end, and says of them what nobody may; each kind
// on its own link, since the host gives such a link up.
func frames(ctx context.Context, port *os.File, link *seriallink.Link) {
	var b [1]byte
	_, _ = rand.Read(b[:])
	var p []byte
	for n := uint32(2); n < 4000; n += 2 { // a guest's streams are even
		switch b[0] % 6 {
		case 0:
			p = append(p, frame(typeUpdate, flagSYN, n, 0)...)
		case 1:
			p = append(append(p, frame(typeUpdate, flagSYN, n, 0)...), frame(typeUpdate, flagRST, n, 0)...)
		case 2:
			p = append(append(p, frame(typeData, flagSYN, n, 4)...), 0, 0, 4, 0)
		case 3:
			p = append(p, frame(typePing, flagSYN, 0, n)...)
		case 4:
			p = append(p, frame(typeData, flagSYN|flagFIN, n, 1<<31)...)
		case 5:
			p = append(append(p, frame(typeUpdate, flagSYN, n, 1<<31)...), frame(typeGoAway, 0, 0, 0)...)
		}
	}
	writeWhile(ctx, port, link, func() []byte { return p })
}

// junk sends bytes at random.
func junk(ctx context.Context, port *os.File, link *seriallink.Link) {
	p := make([]byte, 64<<10)
	writeWhile(ctx, port, link, func() []byte {
		_, _ = rand.Read(p)
		return p
	})
}

// writeWhile writes past the link until ctx or the link ends.
func writeWhile(ctx context.Context, port *os.File, link *seriallink.Link, next func() []byte) {
	for ctx.Err() == nil {
		select {
		case <-link.Done():
			return
		default:
		}
		if err := port.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			return
		}
		if _, err := port.Write(next()); err != nil {
			return
		}
	}
}
