package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/term"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/plain"
)

// handover gives the terminal to a banger of its own for a while.
type handover struct {
	app    *App
	self   string
	report reporter
	ctx    context.Context    //nolint:containedctx // of the terminal UI; tea.ExecCommand has none
	end    context.CancelFunc // ends the terminal UI
}

// Attach is part of tui.Terminal.
func (h *handover) Attach(vm, session string) tea.ExecCommand {
	return h.program(false, "vm", "session", "attach", "--", vm, session)
}

// Shell is part of tui.Terminal.
func (h *handover) Shell(vm string) tea.ExecCommand {
	p := h.program(false, "vm", "ssh", vm)
	p.first = "exit or ctrl-d returns to the terminal UI"
	return p
}

// Command is part of tui.Terminal.
func (h *handover) Command(words []string) tea.ExecCommand {
	p := h.program(true, words...)
	p.first = "$ " + plain.Line(cmdline.Typed(words...), maxReason) // it may take a while to say something
	return p
}

// Suspend is part of tui.Terminal.
func (h *handover) Suspend() tea.ExecCommand { return &suspension{over: h} }

func (h *handover) program(read bool, words ...string) *program {
	cmd := exec.Command(h.self, words...) //nolint:noctx // the user ends it, or a signal that is passed on
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	return &program{Cmd: cmd, over: h, read: read}
}

// program is a command in the terminal, and its user's time to read what it printed.
type program struct {
	*exec.Cmd
	over  *handover
	read  bool   // what it prints is to be read
	first string // what is printed before it; empty: nothing
}

// The window's title, as XTerm's control sequences have it, since a program in a guest may set
// another.
const (
	keepTitle    = "\x1b[22;2t"
	restoreTitle = "\x1b[23;2t"
)

// failedAtOnce is how soon a program ends that could not do what it was started for, so that
// its message is to be read.
const failedAtOnce = 2 * time.Second

// SetStdin is part of tea.ExecCommand. So that the program has a terminal, it gets
// banger's own.
func (p *program) SetStdin(io.Reader) { p.Stdin = p.over.app.In }

// SetStdout is part of tea.ExecCommand.
func (p *program) SetStdout(io.Writer) { p.Stdout = p.over.app.Out }

// SetStderr is part of tea.ExecCommand.
func (p *program) SetStderr(io.Writer) { p.Stderr = p.over.app.Err }

// Run is part of tea.ExecCommand. An exit status is not an error: the program has said
// what there was to say. Interrupts are the program's meanwhile. A program that is killed
// leaves the terminal in its state; the one from before is restored, since the terminal UI
// takes what it finds here for the user's own.
func (p *program) Run() error {
	p.over.report.released()
	defer p.over.report.held()
	runtime.LockOSThread() // it is sent SIGTERM when this thread ends
	defer runtime.UnlockOSThread()
	quits := make(chan os.Signal, 1) // as for interrupts, it is the program's
	signal.Notify(quits, syscall.SIGQUIT)
	defer signal.Stop(quits)
	release := p.over.app.signals.divert(func(sig os.Signal) {
		if sig == os.Interrupt { // the terminal sends it to the program itself
			return
		}
		if p.Process != nil {
			_ = p.Process.Signal(sig)
		}
		p.over.end()
	})
	defer release()
	in := int(p.over.app.In.Fd())
	before, err := term.GetState(in)
	if err != nil {
		return err
	}
	_, _ = io.WriteString(p.over.app.Out, keepTitle) // a terminal that is gone is the terminal UI's to see
	if p.first != "" {
		p.over.app.say(p.first)
	}
	began := time.Now()
	err = p.Cmd.Run()
	_ = term.Restore(in, before)
	_, _ = io.WriteString(p.over.app.Out, restoreTitle)
	if p.ProcessState == nil {
		return err
	}
	killed := !p.ProcessState.Exited()
	failed := !p.ProcessState.Success() && time.Since(began) < failedAtOnce
	if p.over.ctx.Err() == nil && (p.read || killed || failed) {
		return p.over.showUntilEnter()
	}
	return nil
}

// showUntilEnter leaves what was printed on the terminal until the user presses Enter, or
// the terminal UI ends.
func (h *handover) showUntilEnter() error {
	if _, err := fmt.Fprint(h.app.Err, "\npress Enter to return to the terminal UI "); err != nil {
		return err
	}
	pressed := make(chan struct{})
	go func() { // it stays behind if the terminal UI ends, and ends with banger
		_, _ = bufio.NewReader(h.app.In).ReadString('\n') // as for Restore
		close(pressed)
	}()
	select {
	case <-pressed:
	case <-h.ctx.Done():
		_, _ = fmt.Fprintln(h.app.Err)
	}
	return nil
}
