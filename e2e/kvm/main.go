// Command kvm runs the end-to-end scripts and the drivers' contract suites on KVM.
// Where this host has usable KVM they run on it. Elsewhere they run in one outer
// VM, which banger boots by software emulation, with a kernel that has KVM.
//
// It uses its own home, the programs that it builds itself, and the end-to-end
// tests' fixtures. Nothing of it is left when it ends or is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/bangervm/banger/e2e/fixture"
	"github.com/bangervm/banger/internal/vmm"
)

// tier is one run.
type tier struct {
	out   io.Writer
	repo  string
	dir   string // short, removed at the end
	cache *fixture.Cache
	set   string
	vcpu  int
	bench bool // measure boots instead of tests
	retry int  // as many failures of a suite are run once more
	lost  int  // how often the outer VM was lost
	inRow int  // since a script ended
}

// lostExit is the exit status of a run that lost its outer VM, and in which no test failed.
const lostExit = 3

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "e2e-kvm:", err)
	switch {
	case errors.Is(err, context.Canceled):
		os.Exit(130)
	case errors.Is(err, errLost):
		os.Exit(lostExit)
	}
	os.Exit(1)
}

func run(ctx context.Context, out io.Writer, args []string) (err error) {
	t := &tier{out: out}
	flags := flag.NewFlagSet("e2e-kvm", flag.ContinueOnError)
	flags.StringVar(&t.set, "set", "full", "scripts to run: ci, full, or names of scripts separated by commas")
	only := flags.String("drivers", "", "drivers to run, separated by commas (default all)")
	flags.IntVar(&t.vcpu, "vcpu", outerVCPU, "vCPUs of the outer VM")
	flags.BoolVar(&t.bench, "bench", false, "measure boots instead of running tests")
	flags.IntVar(&t.retry, "retry", 0, "as many failures of a suite are run once more")
	limit := flags.Duration("limit", 2*time.Hour, "time after which the run fails")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if t.repo, err = os.Getwd(); err != nil {
		return err
	}
	scripts, err := chosen(t.set, filepath.Join(t.repo, scriptsDir))
	if err != nil {
		return err
	}
	if lacks := lacking(); lacks != "" {
		t.say("1 skipped: the whole tier (%s)", lacks)
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			return fmt.Errorf("cannot run here: %s", lacks)
		}
		return nil
	}
	if t.cache, err = fixture.Open(); err != nil {
		return err
	}
	if t.dir, err = os.MkdirTemp("/tmp", "bgkvm-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(t.dir)) }()
	if err := os.Chmod(t.dir, 0o755); err != nil { // the scripts' users read the kit
		return err
	}
	all, err := driverList(os.Getenv(envFirecracker), *only)
	if err != nil {
		return err
	}
	err = t.runOn(ctx, all, scripts)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.Join(fmt.Errorf("not done within %s", *limit), err)
	}
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	return err
}

// lacking is what this host lacks to run the tier; empty: nothing.
func lacking() string {
	if runtime.GOARCH != "amd64" {
		return "the outer VM needs an amd64 host"
	}
	for _, program := range []string{"qemu-system-x86_64", "mkfs.ext4", "depmod", "mmdebstrap", "apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return err.Error()
		}
	}
	return ""
}

// runOn makes the kit and the place, and runs the drivers there.
func (t *tier) runOn(ctx context.Context, all []driver, scripts selection) (err error) {
	h := &home{tier: t, dir: filepath.Join(t.dir, "home")}
	defer func() { err = errors.Join(err, h.close(context.WithoutCancel(ctx))) }()
	t.say("building the kit")
	if err := t.makeKit(ctx, h, all, scripts); err != nil {
		return err
	}
	var where place
	if fact := vmm.ThisHost().KVM(); fact.State == vmm.Good {
		t.say("this host has KVM (%s): running on it", fact.Reason)
		where = &thisHost{tier: t}
	} else {
		t.say("this host has no usable KVM (%s): running in an outer VM", fact.Reason)
		if where, err = h.startOuter(ctx); err != nil {
			return err
		}
	}
	return t.runAll(ctx, where, all, scripts)
}

func (t *tier) say(format string, args ...any) {
	_, _ = fmt.Fprintf(t.out, "e2e-kvm: "+format+"\n", args...)
}
