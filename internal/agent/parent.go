package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/bangervm/banger/internal/agent/pid1"
	"github.com/bangervm/banger/internal/agentrpc"
)

// parent is the conversation with PID 1.
type parent struct {
	asking  sync.Mutex
	conn    net.Conn
	answers chan pid1.Notice // closed when PID 1 is another program
}

// newParent takes over the inherited conversation. goingDown is called when
// PID 1 takes the machine down, and PID 1 waits for its return.
func newParent(goingDown func(agentrpc.DownKind)) (*parent, error) {
	f := os.NewFile(pid1.FDParent, "pid1")
	conn, err := net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("talk to PID 1: %w", err)
	}
	p := &parent{conn: conn, answers: make(chan pid1.Notice, 1)}
	go func() {
		defer close(p.answers)
		dec := json.NewDecoder(conn)
		for {
			var n pid1.Notice
			if err := dec.Decode(&n); err != nil {
				return
			}
			if n.GoingDown == "" {
				p.answers <- n
				continue
			}
			goingDown(n.GoingDown)
			_ = p.send(pid1.Request{Told: true})
		}
	}()
	return p, nil
}

func (p *parent) send(req pid1.Request) error {
	data, err := json.Marshal(req)
	if err != nil {
		return err
	}
	_, err = p.conn.Write(append(data, '\n'))
	return err
}

// ask sends req and returns PID 1's answer. An Exec is answered by silence.
func (p *parent) ask(req pid1.Request) error {
	p.asking.Lock()
	defer p.asking.Unlock()
	if err := p.send(req); err != nil {
		return err
	}
	n, ok := <-p.answers
	switch {
	case !ok && req.Exec != nil:
		return nil
	case !ok:
		return errors.New("PID 1 is gone")
	case n.Error != "":
		return errors.New(n.Error)
	}
	return nil
}
