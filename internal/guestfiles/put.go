package guestfiles

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/stream"
	"github.com/bangervm/banger/internal/treecopy"
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
	conn   Conn
	dst    string // as the user named it
	resume bool
}

// send writes the tree of a copy into a guest, which has have of it already.
type send func(ctx context.Context, tree *agentrpc.TreeWriter, have []treecopy.Have, left *notes) error

// put runs a copy into the guest; old is the way of an older agent.
func (g *Guest) put(ctx context.Context, srcs []string, dst string, o Options, old func(*session) error, write send) error {
	req := agentrpc.CopyRequest{Verb: agentrpc.CopyPut, Path: dst, Sources: srcs, SetID: o.SetID, Resume: o.Resume}
	conn, err := g.copy(ctx, req)
	if errors.Is(err, client.ErrNoCopy) {
		return g.viaSFTP(ctx, old)
	}
	if err != nil {
		return err
	}
	p := &putting{conn: conn, dst: dst, resume: o.Resume}
	left := &notes{tell: o.Left}
	if err := p.run(ctx, write, left); err != nil {
		return err
	}
	return left.incomplete()
}

// run sends what write writes, and returns when the guest has it all, or has
// removed what is not complete.
func (p *putting) run(ctx context.Context, write send, left *notes) error {
	defer func() { _ = p.conn.Close() }()
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	// What waits for the guest to take more returns.
	stop := stream.Interrupt(sending, p.conn.SetWriteDeadline)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = p.conn.SetReadDeadline(time.Now().Add(farewell)) })()
	var answer agentrpc.CopyAnswer
	var answerErr error
	var answered sync.WaitGroup
	lists := make(chan []treecopy.Have, 1)
	answered.Go(func() {
		defer cancel() // an answer ends the copy, also in the middle
		defer close(lists)
		answerErr = p.listen(bufio.NewReader(p.conn), lists, &answer)
	})
	have := <-lists
	tree := agentrpc.NewTreeWriter(p.conn)
	err := write(sending, tree, have, left)
	if err == nil {
		err = tree.End()
	}
	early := sending.Err() != nil
	if err != nil {
		// Half a tree and its end: the guest gives up, and says so when it has.
		_ = p.conn.CloseWrite()
		_ = p.conn.SetReadDeadline(time.Now().Add(farewell))
	}
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
	return nil
}

// listen reads what the guest has, when the copy is resumed, and its answer.
func (p *putting) listen(in *bufio.Reader, lists chan<- []treecopy.Have, answer *agentrpc.CopyAnswer) error {
	if p.resume {
		if first, err := in.Peek(1); err != nil || first[0] == '{' {
			return agentrpc.ReadLine(in, answer) // it refuses
		}
		have, err := treecopy.ReadList(agentrpc.NewTreeReader(in))
		if err != nil {
			return err
		}
		lists <- have
	} else {
		lists <- nil
	}
	return agentrpc.ReadLine(in, answer)
}

// refused is the guest's answer as a fault: the message is its word.
func (p *putting) refused(a agentrpc.CopyAnswer) error {
	if a.NoDirectory {
		return noDirectory(p.dst)
	}
	return answerFault(a)
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
