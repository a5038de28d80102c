package guestapi

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/stream"
)

const (
	frameHead = 5
	// chunk makes a frame of output one write of the channel.
	chunk = agentrpc.BulkWrite - frameHead
)

// execConn is one command on one connection.
type execConn struct {
	conn net.Conn
	in   *bufio.Reader

	writing sync.Mutex

	killGroup bool
	// toEnd is set when the client signalled the command or went away.
	toEnd atomic.Bool
}

// run returns when the command has ended and its last frame is sent, or when
// the connection is gone and the command with it.
func (s *execConn) run(id Identity, req agentrpc.ExecRequest) error {
	spec, err := specFor(id, req)
	if err != nil {
		return s.sendStartError(err)
	}
	f, err := command.OpenFiles(spec.User, req.Stdin, terminalOf(req))
	if err != nil {
		return s.sendStartError(&command.StartError{Status: command.StatusCannotRun, Err: err})
	}
	proc, err := f.Start(spec)
	if err != nil {
		return s.sendStartError(err)
	}
	s.killGroup = req.KillGroup
	return s.attend(proc, f)
}

func (s *execConn) attend(proc *command.Process, f *command.Files) error {
	var in *stdin
	copies := command.Copies{Out: func(i int, o *command.Output) {
		s.copyOut(o, agentrpc.FrameStdout+agentrpc.FrameType(i), proc)
	}}
	if f.In != nil {
		in = newStdin(f.In)
		copies.In = func() { in.run(f.Terminal == nil) }
	}
	copies.Ended = func() {
		if s.killGroup && s.toEnd.Load() {
			proc.KillGroup(syscall.SIGKILL)
		}
		if in != nil {
			in.abandon()
			_ = f.In.SetWriteDeadline(stream.Past())
		}
	}
	go s.copyIn(proc, f, in)

	status, _, err := f.Attend(proc, copies)
	f.Release()
	if err != nil {
		return err
	}
	var code [4]byte
	binary.BigEndian.PutUint32(code[:], uint32(status))
	return s.send(agentrpc.FrameExit, code[:])
}

func (s *execConn) send(t agentrpc.FrameType, payload []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return agentrpc.WriteFrame(s.conn, t, payload)
}

func (s *execConn) sendStartError(err error) error {
	payload := binary.BigEndian.AppendUint32(nil, uint32(command.StatusOf(err)))
	return s.send(agentrpc.FrameError, append(payload, err.Error()...))
}

// copyOut sends output as frames, each with one write and without a copy.
func (s *execConn) copyOut(o *command.Output, t agentrpc.FrameType, proc *command.Process) {
	buf := make([]byte, frameHead+chunk)
	buf[0] = byte(t)
	err := o.Each(buf[frameHead:], func(n int) error {
		binary.BigEndian.PutUint32(buf[1:frameHead], uint32(n))
		s.writing.Lock()
		defer s.writing.Unlock()
		_, err := s.conn.Write(buf[:frameHead+n])
		return err
	})
	if err != nil {
		s.toEnd.Store(true)
		proc.HangUp()
	}
}

// copyIn obeys the client's frames until the command has ended. Without a
// client the command hangs up.
func (s *execConn) copyIn(proc *command.Process, f *command.Files, in *stdin) {
	var buf []byte
	for {
		t, payload, err := agentrpc.ReadFrame(s.in, buf)
		if err == nil {
			buf = payload[:cap(payload)]
			err = s.obey(t, payload, proc, f, in)
		}
		if err != nil {
			s.toEnd.Store(true)
			proc.HangUp()
			return
		}
	}
}

func (s *execConn) obey(t agentrpc.FrameType, payload []byte, proc *command.Process, f *command.Files, in *stdin) error {
	switch t {
	case agentrpc.FrameStdin:
		if in != nil {
			in.push(payload)
		}
	case agentrpc.FrameStdinEOF:
		if in != nil {
			if f.Terminal != nil {
				in.push([]byte{command.EOT})
			}
			in.finish()
		}
	case agentrpc.FrameResize:
		if f.Terminal != nil && len(payload) == 4 {
			_ = command.Resize(f.Terminal, binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:]))
		}
	case agentrpc.FrameSignal:
		if sig := command.SignalByName(string(payload)); sig != 0 {
			s.toEnd.Store(true)
			_ = proc.Signal(sig)
		}
	default:
		return fmt.Errorf("%w: type %d from the host", agentrpc.ErrFrame, t)
	}
	return nil
}
