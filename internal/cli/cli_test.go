package cli_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bangervm/banger/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"banger": func() {
			app := cli.App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, LookupEnv: os.LookupEnv, Exit: os.Exit}
			os.Exit(app.Run(os.Args[1:]))
		},
		// ssh stands in for OpenSSH: it prints its arguments, and ends as they say.
		"ssh": func() {
			for _, arg := range os.Args[1:] {
				_, _ = fmt.Fprintln(os.Stdout, arg)
			}
			if os.Args[len(os.Args)-1] == "exit 9" {
				os.Exit(9)
			}
		},
	})
}

type daemonKey struct{}

// TestScripts runs the real command line against a daemon of the test's own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			home := env.Getenv("WORK")
			env.Setenv("HOME", home)
			env.Setenv("XDG_RUNTIME_DIR", filepath.Join(home, "run"))
			env.Setenv("BANGER_SOCKET", filepath.Join(home, "d.sock"))
			env.Setenv("TERM", "xterm")
			if err := os.MkdirAll(filepath.Join(home, "run"), 0o700); err != nil {
				return err
			}
			d, err := startFakeDaemon(env.Getenv("BANGER_SOCKET"), filepath.Join(home, "guest"))
			if err != nil {
				return err
			}
			env.Values[daemonKey{}] = d
			env.Defer(d.close)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status": checkStatus,
			"asked":  checkAsked,
		},
	})
}

// checkStatus is "status N COMMAND...": the command ends with that exit status.
func checkStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("status %s, want %s", got, args[0])
	}
}

// checkAsked is "asked REGEXP": the daemon was asked that, or is within a few seconds.
func checkAsked(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] asked REGEXP")
	}
	d, _ := ts.Value(daemonKey{}).(*fakeDaemon)
	pattern := regexp.MustCompile(args[0])
	if neg {
		if all := d.requests(); pattern.MatchString(all) {
			ts.Fatalf("the daemon was asked:\n%s", all)
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if !d.waitAsked(ctx, pattern) {
		ts.Fatalf("the daemon was only asked:\n%s", d.requests())
	}
}
