package web

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

const (
	// thenTime bounds how long what follows a create waits for it and for itself.
	thenTime = time.Hour
	// maxThen bounds the creates whose followers are known.
	maxThen = 32
	// workspaceDir is where a workspace is by default, in the guest.
	workspaceDir = "/root/repo"
)

// then is what follows the creation of a VM: a workspace, a session, or both.
type then struct {
	work    *api.PrepareWorkspace
	session *api.StartSession
}

// thenOf reads what the form wants to follow.
func thenOf(form url.Values) (t then, err error) {
	field := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	dir := field("dir")
	if path := field("path"); path != "" {
		if !strings.HasPrefix(path, "/") {
			return t, fault.New(fault.Invalid, "Repository: %q is not an absolute path", path).WithHint("for example /home/you/src/project")
		}
		t.work = &api.PrepareWorkspace{Path: path, Mode: field("mode")}
		dir = cmp.Or(dir, workspaceDir)
	}
	if field("scmd") != "" || field("sname") != "" {
		t.session = new(sessionRequest(field("scmd"), field("sname"), dir, true))
	}
	if wait := field("wait"); !t.none() && (form.Get("nostart") != "" || wait == "none" || wait == "started") {
		return t, fault.New(fault.Invalid, "a workspace and a session need a VM that is ready").WithHint("wait for ready, or leave them out")
	}
	return t, nil
}

func (t then) none() bool { return t.work == nil && t.session == nil }

// commands are the command lines that do the same, for a VM of this name.
func (t then) commands(name string) (all []string) {
	name = cmp.Or(name, "NAME")
	if t.work != nil {
		words := []string{"vm", "workspace", "prepare", name, t.work.Path}
		if t.work.Mode == "full_copy" {
			words = append(words, "--"+"mode", t.work.Mode)
		}
		all = append(all, cmdline.Typed(words...))
	}
	if t.session == nil {
		return all
	}
	words := []string{"vm", "session", "start", name}
	for _, option := range [][2]string{{"name", t.session.Name}, {"workdir", t.session.Dir}} {
		if option[1] != "" {
			words = append(words, "--"+option[0], option[1])
		}
	}
	words = append(words, "--"+"tty", "--")
	return append(all, cmdline.Typed(append(words, t.session.Command...)...))
}

// thenStep is one of what follows, on the page of the operation that creates the VM.
type thenStep struct {
	What, Path string
	Mark       mark
	Problem    *problem
}

// followers are what follows creates. It is safe for concurrent use.
type followers struct {
	mu    sync.Mutex
	work  sync.WaitGroup
	ended bool
	known []*follower // the oldest first
}

// follower is what follows one create. The mutex of followers guards its steps.
type follower struct {
	operation string
	cancel    context.CancelFunc
	ended     bool
	steps     []thenStep
}

// end cancels all, and waits for them.
func (f *followers) end() {
	f.mu.Lock()
	f.ended = true
	for _, one := range f.known {
		one.cancel()
	}
	f.mu.Unlock()
	f.work.Wait()
}

// of are the steps that follow an operation.
func (f *followers) of(operation string) []thenStep {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.known {
		if one.operation == operation {
			return slices.Clone(one.steps)
		}
	}
	return nil
}

// follow does what follows a create once it has succeeded.
func (c *Console) follow(ctx context.Context, operation string, t then) {
	if t.none() {
		return
	}
	one := &follower{operation: operation}
	waits := mark{State: "waiting", Icon: "idle"}
	if t.work != nil {
		one.steps = append(one.steps, thenStep{What: "Copy " + t.work.Path + " to it", Mark: waits})
	}
	if t.session != nil {
		one.steps = append(one.steps, thenStep{What: "Start a session: " + commandLine(t.session.Command), Mark: waits})
	}
	f := &c.followers
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	// It goes on when the browser has left.
	ctx, one.cancel = context.WithTimeout(context.WithoutCancel(ctx), thenTime)
	if len(f.known) >= maxThen {
		if old := slices.IndexFunc(f.known, func(one *follower) bool { return one.ended }); old >= 0 {
			f.known = slices.Delete(f.known, old, old+1)
		}
	}
	f.known = append(f.known, one)
	f.work.Go(func() {
		defer one.cancel()
		c.runThen(ctx, one, t)
	})
}

// did notes that a step is done, or that it and those after it are not.
func (f *followers) did(one *follower, step int, path string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	done := &one.steps[step]
	done.Path, done.Mark = path, mark{State: "done", Icon: "done"}
	one.ended = step == len(one.steps)-1
	if err == nil {
		return
	}
	one.ended, done.Problem = true, problemOf(err)
	for i := range one.steps[step:] {
		one.steps[step+i].Mark = mark{State: "not done", Icon: "failed"}
	}
}

// runThen does the steps in order. The first that fails ends them.
func (c *Console) runThen(ctx context.Context, one *follower, t then) {
	op, err := c.api.Wait(ctx, one.operation, nil)
	var v api.VM
	if err == nil {
		v, err = client.Result[api.VM](op)
	}
	if err != nil {
		c.followers.did(one, 0, "", fault.Wrap(fault.CodeOf(err), err, "the VM was not created"))
		return
	}
	step := 0
	if t.work != nil {
		path, err := c.prepareThen(ctx, v.Name, *t.work)
		if c.followers.did(one, step, path, err); err != nil {
			return
		}
		step++
	}
	if t.session != nil {
		s, err := c.startSessionIn(ctx, v.Name, *t.session)
		c.followers.did(one, step, sessionPath(v.Name, s.Name), err)
	}
}

func (c *Console) prepareThen(ctx context.Context, vm string, req api.PrepareWorkspace) (path string, err error) {
	op, err := c.api.PrepareWorkspace(ctx, vm, req)
	if err != nil {
		return "", err
	}
	_, err = c.api.Wait(ctx, op.ID, nil)
	return operationPath(op.ID), err
}
