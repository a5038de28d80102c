//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/pace"
)

// killTries is how often a stage that was over too soon is tried again.
const killTries = 30

// kill is one command whose daemon is killed.
type kill struct {
	ts      *testscript.TestScript
	client  *client.Client
	setup   string   // run by sh before each try
	command []string // run until the stage has begun, and again afterwards
}

// cmdKilled kills bangerd by SIGKILL while it is in each of the stages of the operation
// that a command begins, as told by the operation's events. Whether it really was is
// taken from what the next daemon finds recorded: a stage that was over is tried again.
// Then nothing may be staged, $KEEP (images and kernels, as image:NAME) and all other
// images must be whole, and the same command must work.
//
// It sets $FETCHED to the most blobs that one of those second tries asked of the registry.
func cmdKilled(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) >= 3, "killed STAGE,... SETUP CMD ARGS...")
	k := &kill{ts: ts, setup: args[1], command: args[2:]}
	k.client = client.New(filepath.Join(ts.Getenv("XDG_RUNTIME_DIR"), "banger", "bangerd.sock"))
	defer k.client.Close()
	fetched := 0
	for stage := range strings.SplitSeq(args[0], ",") {
		tries := 1
		for !k.at(stage) {
			if tries++; tries > killTries {
				ts.Fatalf("%v was over stage %q before the kill %d times", k.command, stage, killTries)
			}
		}
		k.whole(stage)
		before := k.blobs()
		start := time.Now()
		ts.Check(ts.Exec(k.command[0], k.command[1:]...))
		again := time.Since(start)
		k.whole(stage)
		n := k.blobs() - before
		fetched = max(fetched, n)
		ts.Logf(figure+"%s killed at %s in try %d; again in %d ms, %d blobs fetched", strings.Join(k.command[1:min(3, len(k.command))], " "), stage, tries, again.Milliseconds(), n)
	}
	ts.Setenv("FETCHED", fmt.Sprint(fetched))
}

// at reports whether the daemon was killed in the stage.
func (k *kill) at(stage string) bool {
	k.ts.Check(k.ts.Exec("sh", "-c", k.setup))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	ping, err := k.client.Ping(ctx)
	k.ts.Check(err)
	known := k.operations(ctx)
	program, err := lookPath(k.ts, k.command[0])
	k.ts.Check(err)
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, k.command[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = k.ts.MkAbs("."), scriptEnv(k.ts), &out, &out
	k.ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	id := k.begun(ctx, known)
	seen := k.watch(ctx, id, stage)
	if seen {
		k.ts.Check(syscall.Kill(ping.PID, syscall.SIGKILL))
	}
	commandErr := <-ended
	if !seen {
		return false
	}
	if !poll(10*time.Second, func() bool { return !running(ping.PID) }) {
		k.ts.Fatalf("bangerd %d still runs", ping.PID)
	}
	k.ts.Check(k.ts.Exec("banger", "daemon", "start"))
	op, err := k.client.GetOperation(ctx, id)
	k.ts.Check(err)
	switch {
	case op.State == api.OperationSucceeded:
		return false
	case op.Problem == nil || !strings.Contains(op.Problem.Message, "daemon ended"):
		k.ts.Fatalf("the operation is recorded as %+v with %+v\n%s", op, op.Problem, &out)
	case commandErr == nil:
		k.ts.Fatalf("the command succeeded although its daemon was killed\n%s", &out)
	}
	// The record may be a stage behind, never ahead.
	over := slices.IndexFunc(op.Stages, func(s api.Stage) bool { return s.Name == stage })
	return over < 0 || over == len(op.Stages)-1
}

func (k *kill) operations(ctx context.Context) []string {
	all, err := k.client.ListOperations(ctx)
	k.ts.Check(err)
	var ids []string
	for _, op := range all {
		ids = append(ids, op.ID)
	}
	return ids
}

// begun waits for an operation that is not known.
func (k *kill) begun(ctx context.Context, known []string) string {
	for {
		for _, id := range k.operations(ctx) {
			if !slices.Contains(known, id) {
				return id
			}
		}
		k.ts.Check(pace.Pause(ctx, time.Millisecond))
	}
}

// watch reports whether the stage is under way. When it is over, the operation is
// cancelled: the next try need not wait for it.
func (k *kill) watch(ctx context.Context, id, stage string) bool {
	for op, err := range k.client.Watch(ctx, id) {
		k.ts.Check(err)
		at := slices.IndexFunc(op.Stages, func(s api.Stage) bool { return s.Name == stage })
		switch {
		case op.State != api.OperationRunning || at < 0:
		case at == len(op.Stages)-1:
			return true
		default:
			_, err := k.client.CancelOperation(ctx, id)
			k.ts.Check(err)
			return false
		}
	}
	return false
}

// whole fails the script if something is staged, or something that was whole is not.
func (k *kill) whole(stage string) {
	home := k.ts.Getenv("HOME")
	err := filepath.WalkDir(home, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".staging") {
			err = errors.Join(err, fmt.Errorf("killed at %s: %s is left", stage, path))
		}
		return err
	})
	k.ts.Check(err)
	k.ts.Check(k.ts.Exec("banger", "image", "list", "-o", "name"))
	for name := range strings.FieldsSeq(k.ts.ReadFile("stdout")) {
		k.ts.Check(k.ts.Exec("banger", "image", "verify", name))
	}
	for keep := range strings.FieldsSeq(k.ts.Getenv("KEEP")) {
		kind, name, _ := strings.Cut(keep, ":")
		k.ts.Check(k.ts.Exec("banger", kind, "show", name))
	}
}

// blobs is how many the registry has been asked for.
func (k *kill) blobs() int {
	log, err := os.ReadFile(k.ts.MkAbs(registryLog))
	if err != nil {
		return 0 // there is none
	}
	return bytes.Count(log, []byte("\n"))
}
