package guestfiles

import (
	"bufio"
	"context"
	"io"
	"math"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/stream"
)

const (
	// farewell bounds how long a guest may take to remove what it staged, when a
	// copy is interrupted.
	farewell = 5 * time.Second
	// maxMessage bounds what is told of a guest's words, in bytes.
	maxMessage = 1024
)

// putting is one copy into a guest.
type putting struct {
	conn Conn
	dst  string // as the user named it
	notes
}

// run sends what send writes, and returns when the guest has it all, or has
// removed what is not complete.
func (p *putting) run(ctx context.Context, send func(context.Context, *agentrpc.TreeWriter) error) error {
	defer func() { _ = p.conn.Close() }()
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	// What waits for the guest to take more returns.
	stop := stream.Interrupt(sending, p.conn.SetWriteDeadline)
	defer stop()
	var answer agentrpc.CopyAnswer
	var answerErr error
	var answered sync.WaitGroup
	answered.Go(func() {
		defer cancel() // an answer ends the copy, also in the middle
		answerErr = agentrpc.ReadLine(bufio.NewReader(p.conn), &answer)
	})
	tree := agentrpc.NewTreeWriter(p.conn)
	err := send(sending, tree)
	if err == nil {
		err = tree.End()
	}
	early := sending.Err() != nil
	if err != nil {
		// Half a tree and its end: the guest gives up, and says so when it has.
		_ = p.conn.CloseWrite()
		_ = p.conn.SetReadDeadline(time.Now().Add(farewell))
	}
	hurry := context.AfterFunc(ctx, func() { _ = p.conn.SetReadDeadline(time.Now().Add(farewell)) })
	defer hurry()
	answered.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case answerErr == nil && answer.Code != "" && (err == nil || early || disconnected(err)):
		return p.refused(answer)
	case err != nil:
		return copyFault(ctx, hinted(err, p.dst))
	case answerErr != nil:
		return copyFault(ctx, answerErr)
	}
	return p.incomplete()
}

// refused is the guest's answer as a fault: the message is its word.
func (p *putting) refused(a agentrpc.CopyAnswer) error {
	switch {
	case a.NoDirectory:
		return noDirectory(p.dst)
	case a.Directory:
		return directoryHint(p.dst)
	default:
		return answerFault(a)
	}
}

func answerFault(a agentrpc.CopyAnswer) error {
	code := fault.Code(a.Code)
	switch code {
	case fault.NotFound, fault.Conflict, fault.Invalid, fault.Unavailable, fault.PermissionDenied:
	default:
		code = fault.Internal
	}
	return fault.New(code, "in the VM: %s", plain.Line(a.Message, maxMessage))
}

// writeStream writes r as one file.
func writeStream(tree *agentrpc.TreeWriter, r io.Reader, name string) error {
	if err := tree.Entry(agentrpc.TreeEntry{Kind: agentrpc.TreeTop, Path: name}, nil); err != nil {
		return err
	}
	e := agentrpc.TreeEntry{Kind: agentrpc.TreePieces, Path: ".", Mode: 0o644, ModTime: time.Now()}
	if err := tree.Entry(e, nil); err != nil {
		return err
	}
	if _, err := tree.Data(r, math.MaxInt64); err != nil {
		return err
	}
	return tree.EndPieces()
}
