package seriallink

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/pace"
)

// A marker is 32 bytes: magic (15), kind (1), nonce (16). A connection of the
// host begins with a hello; the guest skips whatever an earlier connection
// left in the line, and echoes the nonce; the host skips likewise, and says
// start. What follows a start is yamux, in both directions.
//
// The magic's first byte occurs in it only once, so that seeking it needs no
// backtracking.
const (
	magic      = "\xb4nger-link/v1\r\n"
	nonceSize  = 16
	markerSize = len(magic) + 1 + nonceSize

	kindHello = 'h'
	kindEcho  = 'e'
	kindStart = 's'
)

const (
	// maxJunk bounds what the host skips before a guest's echo, in bytes.
	maxJunk = 8 << 20
	// padByte is no yamux version: a guest that missed the end of the last
	// session, and waits for the rest of a frame, sees that it is over.
	padByte = 0xff
	// padSize is the longest frame that either side sends, of older builds too.
	padSize = 64<<10 + frameHeaderSize

	firstRetry = 300 * time.Millisecond
	lastRetry  = 2 * time.Second
)

type nonce [nonceSize]byte

func marker(kind byte, n nonce) []byte {
	b := make([]byte, 0, markerSize)
	b = append(b, magic...)
	b = append(b, kind)
	return append(b, n[:]...)
}

// seek reads up to and including the next marker. It reads at most limit bytes
// before the marker when limit is positive.
func seek(r *bufio.Reader, limit int) (kind byte, n nonce, err error) {
	for matched, skipped := 0, 0; matched < len(magic); {
		b, err := r.ReadByte()
		if err != nil {
			return 0, n, err
		}
		switch b {
		case magic[matched]:
			matched++
		case magic[0]:
			matched = 1
		default:
			matched = 0
		}
		if skipped++; limit > 0 && skipped > limit {
			return 0, n, errors.New("the guest sends no echo")
		}
	}
	if kind, err = r.ReadByte(); err != nil {
		return 0, n, err
	}
	_, err = io.ReadFull(r, n[:])
	return kind, n, err
}

// hostHandshake returns when the guest has echoed this connection's nonce. The
// caller unblocks it by closing rw.
func hostHandshake(ctx context.Context, rw io.ReadWriter, r *bufio.Reader) error {
	var own nonce
	if _, err := rand.Read(own[:]); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var hellos sync.WaitGroup
	var helloErr error
	hellos.Go(func() { helloErr = sendHellos(ctx, rw, own) })
	err := awaitEcho(r, own)
	stop() // and not deferred: the last hello must be out before the start
	if err != nil {
		return err
	}
	hellos.Wait()
	if helloErr != nil {
		return helloErr
	}
	_, err = rw.Write(marker(kindStart, own))
	return err
}

func awaitEcho(r *bufio.Reader, own nonce) error {
	for left := maxJunk; left > 0; left -= markerSize {
		kind, got, err := seek(r, left)
		if err != nil {
			return err
		}
		if kind == kindEcho && got == own {
			return nil
		}
	}
	return errors.New("the guest sends no echo")
}

// sendHellos sends hello, and again with padding before it, until ctx ends.
func sendHellos(ctx context.Context, w io.Writer, own nonce) error {
	msg := marker(kindHello, own)
	for pauses := pace.NewBackoff(firstRetry, lastRetry); ; {
		if _, err := w.Write(msg); err != nil {
			return fmt.Errorf("say hello to the guest: %w", err)
		}
		_ = pauses.Pause(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end of ctx is the end asked for
		}
		if len(msg) == markerSize {
			msg = append(padding(), msg...)
		}
	}
}

func padding() []byte { return bytes.Repeat([]byte{padByte}, padSize) }

// guestHandshake returns when a host has said start. It goes on through ends
// of file, which a port reads while no host is connected.
func guestHandshake(ctx context.Context, port Port) (*bufio.Reader, error) {
	var answered nonce
	r := bufio.NewReaderSize(port, readBuffer)
	wait := newPortWait(port)
	for {
		kind, got, err := seek(r, 0)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			r.Reset(port)
			if err := wait.forHost(ctx); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		}
		wait.reset()
		switch {
		case kind == kindStart && got == answered && answered != nonce{}:
			return r, nil
		case kind == kindHello && got != answered:
			answered = got
			if err := writeEcho(port, got); err != nil {
				answered = nonce{}
			}
		}
	}
}

// writeEcho answers a hello. Only a host that is still there takes it, so it
// does not wait long.
func writeEcho(port Port, n nonce) error {
	if err := port.SetWriteDeadline(time.Now().Add(lastRetry)); err != nil {
		return err
	}
	_, err := port.Write(marker(kindEcho, n))
	return errors.Join(err, port.SetWriteDeadline(time.Time{}))
}
