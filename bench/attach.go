package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	attachBytes  = 32 << 20
	attachRounds = 500
)

// attach compares attachments to sessions with ssh over a ControlMaster, to the
// agent's own server in the same guest: how fast much output comes, and how
// long a line takes there and back.
func (b *bench) attach(ctx context.Context) error {
	if _, err := b.banger(ctx, "vm", "create", "--name", "att", "--image", "busybox"); err != nil {
		return err
	}
	config, err := b.sshConfig(ctx, "att")
	if err != nil {
		return err
	}
	// Without pipes of ours, which the master in the background would hold open.
	if err := b.command(ctx, "ssh", "-F", config, "-MNf", "att").Run(); err != nil {
		return err
	}
	if err := b.attachThroughput(ctx, config); err != nil {
		return err
	}
	if err := b.attachRoundTrip(ctx, config); err != nil {
		return err
	}
	if _, err := b.timed(ctx, "ssh", "-F", config, "-O", "exit", "att"); err != nil {
		return err
	}
	_, err = b.banger(ctx, "vm", "delete", "--force", "att")
	return err
}

func (b *bench) attachThroughput(ctx context.Context, config string) error {
	produce := "read go; exec head -c " + strconv.Itoa(attachBytes) + " /dev/zero"
	n := 0
	ours := func() (time.Duration, error) {
		n++
		name := "out" + strconv.Itoa(n)
		if _, err := b.banger(ctx, "vm", "session", "start", "att", "--name", name, "--", "sh", "-c", produce); err != nil {
			return 0, err
		}
		return drain(b.command(ctx, filepath.Join(b.repo, "bin", "banger"), "vm", "session", "attach", "att", name))
	}
	yardstick := func() (time.Duration, error) {
		return drain(b.command(ctx, "ssh", "-F", config, "att", "sh -c '"+produce+"'"))
	}
	pairs, err := interleaved(max(5, b.pairs), ours, yardstick)
	if err != nil {
		return err
	}
	return b.report("session attach, 32 MiB", "ssh over a ControlMaster", 1.2, pairs)
}

// drain is how long a command takes from its go to the end of its output.
func drain(cmd *exec.Cmd) (time.Duration, error) {
	cmd.Stdin = strings.NewReader("go\n")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{out}, make([]byte, 256<<10))
	if waitErr := cmd.Wait(); err == nil {
		err = waitErr
	}
	if err == nil && n != attachBytes {
		err = fmt.Errorf("%d bytes came of %d", n, attachBytes)
	}
	return time.Since(begun), err
}

func (b *bench) attachRoundTrip(ctx context.Context, config string) error {
	if _, err := b.banger(ctx, "vm", "session", "start", "att", "--name", "echo", "--", "cat"); err != nil {
		return err
	}
	ours := func() (time.Duration, error) {
		return roundTrips(b.command(ctx, filepath.Join(b.repo, "bin", "banger"),
			"vm", "session", "attach", "att", "echo", "--keep-stdin-open", "--since-offset", "9000000000"))
	}
	yardstick := func() (time.Duration, error) { return roundTrips(b.command(ctx, "ssh", "-F", config, "att", "cat")) }
	pairs, err := interleaved(max(5, b.pairs), ours, yardstick)
	if err != nil {
		return err
	}
	return b.report("attach, 500 round trips", "ssh over a ControlMaster", 1.2, pairs)
}

// roundTrips is how long lines take there and back, one after the other, on a
// connection that stands.
func roundTrips(cmd *exec.Cmd) (time.Duration, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewReader(out)
	var begun time.Time
	for i := range attachRounds + 20 {
		if i == 20 { // warm
			begun = time.Now()
		}
		line := "line " + strconv.Itoa(i) + "\n"
		if _, err := io.WriteString(in, line); err != nil {
			return 0, err
		}
		if got, err := lines.ReadString('\n'); err != nil || got != line {
			return 0, fmt.Errorf("%q came back for %q: %w", got, line, err)
		}
	}
	return time.Since(begun), nil
}
