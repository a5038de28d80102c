package tui

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/plain"
)

const (
	maxLine = 4096 // bytes of a line that a pager shows
	tail    = 2000 // lines of a log that are read first
)

func isEnd(err error) bool { return errors.Is(err, io.EOF) }

// reader is a source of the lines of a stream, made safe to show.
type reader struct {
	in    *bufio.Reader
	whole io.Closer
	stop  context.CancelFunc
	cut   bool // a line goes on
}

func newReader(stream io.ReadCloser, stop context.CancelFunc) *reader {
	return &reader{in: bufio.NewReaderSize(newSafe(stream), maxLine), whole: stream, stop: stop}
}

// safe is a stream that is made safe to show while it is read.
type safe struct {
	from  io.Reader
	to    *plain.Writer
	piece []byte
	ready bytes.Buffer
}

func newSafe(from io.Reader) *safe {
	s := &safe{from: from, piece: make([]byte, maxLine)}
	s.to = plain.NewWriter(&s.ready, false)
	return s
}

// Read is part of io.Reader.
func (s *safe) Read(p []byte) (int, error) {
	for s.ready.Len() == 0 {
		n, err := s.from.Read(s.piece)
		if _, err := s.to.Write(s.piece[:n]); err != nil {
			return 0, err
		}
		if err != nil && s.ready.Len() == 0 {
			return 0, err
		}
	}
	return s.ready.Read(p)
}

// next waits for a line, and takes those along that have arrived with it.
func (r *reader) next() ([]textLine, error) {
	var lines []textLine
	for {
		piece, err := r.in.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !full && len(piece) == 0 {
			return lines, err
		}
		text := strings.ToValidUTF8(string(bytes.TrimRight(piece, "\r\n")), "?") // a character may be cut in two
		lines = append(lines, textLine{text: strings.ReplaceAll(text, "\t", "    "), more: r.cut})
		r.cut = full
		if err != nil && !full {
			return lines, err
		}
		if r.in.Buffered() == 0 || len(lines) >= maxLines {
			return lines, nil
		}
	}
}

func (r *reader) close() {
	r.stop()
	_ = r.whole.Close()
}

// stream opens a pager whose source is a stream of the daemon's.
func (m *Model) stream(p *pager, open func(ctx context.Context, a API) (io.ReadCloser, error)) tea.Cmd {
	m.open(p)
	ctx, stop := context.WithCancel(m.ctx)
	api := m.o.API
	return func() tea.Msg {
		stream, err := open(ctx, api)
		if err != nil {
			stop()
			return sourceMsg{of: p, err: err}
		}
		return sourceMsg{of: p, src: newReader(stream, stop)}
	}
}

// openLogs shows the console log of a VM, as it grows.
func openLogs(m *Model, v *vmEntry) tea.Cmd {
	m.last = typed(act.VMLogs.On(v.Name))
	id := v.ID
	return m.stream(&pager{title: "Console of " + line(v.Name), follow: true}, func(ctx context.Context, a API) (io.ReadCloser, error) {
		return a.VMLogs(ctx, id, client.LogOptions{Tail: tail, Follow: true})
	})
}

// openDiff exports the workspace and shows the patch. Nothing counts as exported by it.
func openDiff(m *Model, v *vmEntry) tea.Cmd {
	m.last = typed(act.WorkspaceExport.On(v.Name))
	id := v.ID
	return m.stream(&pager{title: "Changes in the workspace of " + line(v.Name), head: true, tones: new(diffTones).of}, func(ctx context.Context, a API) (io.ReadCloser, error) {
		op, err := a.ExportWorkspace(ctx, id, api.ExportWorkspace{})
		if err != nil {
			return nil, err
		}
		if op, err = a.Wait(ctx, op.ID, nil); err != nil {
			return nil, err
		}
		export, err := client.Result[api.Export](op)
		if err != nil {
			return nil, err
		}
		return a.ReadExport(ctx, id, export)
	})
}

// openEvents shows the events that are known as a log, and those to come.
func (m *Model) openEvents() tea.Cmd {
	p := &pager{title: "Events", follow: true}
	for _, ev := range m.world.events {
		p.add([]textLine{{text: eventLine(ev)}})
	}
	m.world.noted = func(ev api.Event) {
		if p.closed {
			m.world.noted = nil
			return
		}
		p.add([]textLine{{text: eventLine(ev)}})
	}
	m.open(p)
	return nil
}
