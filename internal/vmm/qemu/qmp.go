package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxQMPLine bounds one line from QEMU, in bytes.
const maxQMPLine = 1 << 20

// errQMPGone says that QEMU closed its control socket: it ended.
var errQMPGone = errors.New("QEMU closed its control socket")

// qmpEvent is an asynchronous message of QEMU, by its QMP reference manual.
type qmpEvent struct {
	Name string
	Data json.RawMessage
}

// qmp is a client of the QEMU machine protocol: newline-delimited JSON, one
// command at a time. It is safe for concurrent use.
type qmp struct {
	conn    net.Conn
	onEvent func(qmpEvent)
	replies chan qmpMessage
	done    chan struct{} // closed when nothing more will be read

	turn chan struct{} // held by the command under way
	id   int
	once sync.Once
}

// qmpMessage is any line from QEMU.
type qmpMessage struct {
	Greeting json.RawMessage `json:"QMP"`
	ID       int             `json:"id"`
	Return   json.RawMessage `json:"return"`
	Error    *qmpError       `json:"error"`
	Event    string          `json:"event"`
	Data     json.RawMessage `json:"data"`
}

// qmpError is QEMU's refusal of a command.
type qmpError struct {
	Class string `json:"class"`
	Desc  string `json:"desc"`
}

func (e *qmpError) Error() string { return e.Desc }

// openQMP reads QEMU's greeting and leaves the negotiation mode, within ctx.
// It owns conn from then on, also when it fails. onEvent is called in the
// order of the events, never concurrently; a slow one holds up the replies.
func openQMP(ctx context.Context, conn net.Conn, onEvent func(qmpEvent)) (*qmp, error) {
	c := &qmp{
		conn:    conn,
		onEvent: onEvent,
		replies: make(chan qmpMessage, 1),
		done:    make(chan struct{}),
		turn:    make(chan struct{}, 1),
	}
	greeting := make(chan error, 1)
	go c.read(greeting)
	err := func() error {
		select {
		case err := <-greeting:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}()
	if err == nil {
		err = c.execute(ctx, "qmp_capabilities", nil)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// close ends the client and waits for its reader.
func (c *qmp) close() {
	c.once.Do(func() { _ = c.conn.Close() })
	<-c.done
}

func (c *qmp) read(greeting chan<- error) {
	defer close(c.done)
	lines := bufio.NewScanner(c.conn)
	lines.Buffer(make([]byte, 0, 4096), maxQMPLine)
	if !lines.Scan() {
		greeting <- errors.Join(errQMPGone, lines.Err())
		return
	}
	var hello qmpMessage
	if err := json.Unmarshal(lines.Bytes(), &hello); err != nil || hello.Greeting == nil {
		greeting <- fmt.Errorf("QEMU's greeting is %.100q", lines.Bytes())
		return
	}
	greeting <- nil
	for lines.Scan() {
		var m qmpMessage
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			return // what follows cannot be told apart any more
		}
		switch {
		case m.Event != "":
			c.onEvent(qmpEvent{Name: m.Event, Data: m.Data})
		case m.Error != nil || m.Return != nil:
			select {
			case <-c.replies: // one that nobody waits for any more
			default:
			}
			c.replies <- m
		}
	}
}

// execute sends one command and waits for its reply, within ctx.
func (c *qmp) execute(ctx context.Context, command string, args any) error {
	_, err := c.query(ctx, command, args)
	return err
}

// query is execute of a command whose reply says something.
func (c *qmp) query(ctx context.Context, command string, args any) (json.RawMessage, error) {
	return c.send(ctx, command, args, nil)
}

// give hands QEMU a descriptor of an open file, by this name. It takes one of the sockets that
// openEnds makes.
func (c *qmp) give(ctx context.Context, name string, f *os.File) error {
	_, err := c.send(ctx, "getfd", map[string]string{"fdname": name}, f)
	return err
}

// send is query, with a file that goes along; nil: none.
func (c *qmp) send(ctx context.Context, command string, args any, file *os.File) (json.RawMessage, error) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.done:
		return nil, errQMPGone
	}
	defer func() { <-c.turn }()
	c.id++
	request := struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
		ID        int    `json:"id"`
	}{command, args, c.id}
	line, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline() // zero: none
	if err := c.conn.SetWriteDeadline(deadline); err != nil {
		return nil, errors.Join(errQMPGone, err)
	}
	if err := c.write(append(line, '\n'), file); err != nil {
		return nil, fmt.Errorf("send %s to QEMU: %w", command, err)
	}
	return c.reply(ctx, command)
}

func (c *qmp) write(line []byte, file *os.File) error {
	if file == nil {
		_, err := c.conn.Write(line)
		return err
	}
	conn, ok := c.conn.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("no descriptor can be passed over a %T", c.conn)
	}
	_, _, err := conn.WriteMsgUnix(line, unix.UnixRights(int(file.Fd())), nil)
	return err
}

func (c *qmp) reply(ctx context.Context, command string) (json.RawMessage, error) {
	for {
		select {
		case m := <-c.replies:
			if m.ID != c.id {
				continue // of a command whose caller gave up
			}
			if m.Error != nil {
				return nil, fmt.Errorf("QEMU refused %s: %w", command, m.Error)
			}
			return m.Return, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for QEMU's answer to %s: %w", command, ctx.Err())
		case <-c.done:
			return nil, errQMPGone
		}
	}
}

// qmpTimeout bounds one command; QEMU answers within milliseconds unless its
// main loop is stuck in I/O.
const qmpTimeout = 10 * time.Second
