package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// opener listens where its peer says: "open ADDR" (in place of where it listened
// before, if it did) and "close", each answered by "done".
func opener(ctx context.Context, args []string) (string, error) {
	control, err := (&net.ListenConfig{}).Listen(ctx, "tcp", arg(args, 0))
	if err != nil {
		return "", err
	}
	var open net.Listener
	obey := func(line string) error {
		verb, addr, _ := strings.Cut(line, " ")
		if open != nil {
			if err := open.Close(); err != nil {
				return err
			}
			open = nil
		}
		if verb != "open" {
			return nil
		}
		open, err = (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err == nil {
			go greet(open)
		}
		return err
	}
	for {
		conn, err := control.Accept()
		if err != nil {
			return "", err
		}
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			if err := obey(lines.Text()); err != nil {
				return "", err
			}
			if _, err := fmt.Fprintln(conn, "done"); err != nil {
				break
			}
		}
		_ = conn.Close()
	}
}

// greet says which port was reached, until the listener is closed.
func greet(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = io.WriteString(conn, listener.Addr().String())
			_ = conn.Close()
		}
	}
}
