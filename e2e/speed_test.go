//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// envSlowness is how many times longer than an ordinary machine this one takes, as a
// decimal number; the suite sets it for its scripts.
const envSlowness = "BANGER_E2E_SLOWNESS"

// envReady is banger's own setting of the seconds that a guest has until it is ready, and
// ordinaryReady its default.
const (
	envReady      = "BANGER_READY_TIMEOUT"
	ordinaryReady = 180
	maxReady      = 3600
)

// ordinaryBoot is what the reference boot takes where the scripts' deadlines
// were chosen: software emulation on a busy machine.
const ordinaryBoot = 4 * time.Second

// scaled is a deadline of the harness or of a script on this machine. Every
// one goes through it.
func scaled(d time.Duration) time.Duration {
	slowness, err := strconv.ParseFloat(os.Getenv(envSlowness), 64)
	if err != nil || slowness < 1 {
		return d
	}
	return time.Duration(float64(d) * slowness)
}

// measure boots a VM of busybox as a script would, and sets the slowness by what
// that took.
func (s *suite) measure(ctx context.Context) error {
	acct, err := s.accounts.lease(ctx)
	if err != nil {
		return err
	}
	defer s.accounts.release(acct)
	base := filepath.Join(s.dir, "measure")
	if err := acct.makeBase(base); err != nil {
		return err
	}
	if err := s.provide(ctx, acct, base, directives{fixtures: []string{"kernel", "busybox"}}); err != nil {
		return err
	}
	if err := os.Setenv(envReady, strconv.Itoa(maxReady)); err != nil {
		return err
	}
	start := time.Now()
	create := acct.command(ctx, base, filepath.Join(s.dir, "bin/banger"), "vm", "create", "--name", "measure", "--image", "busybox")
	out, err := create.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		err = fmt.Errorf("the reference boot: %w: %s\n%s", err, out, evidence(base))
	}
	for _, argv := range [][]string{{"vm", "rm", "--force", "measure"}, {"daemon", "stop"}} {
		end := acct.command(context.WithoutCancel(ctx), base, append([]string{filepath.Join(s.dir, "bin/banger")}, argv...)...)
		if out, endErr := end.CombinedOutput(); endErr != nil {
			err = errors.Join(err, fmt.Errorf("after the reference boot: %v: %w: %s", argv, endErr, out))
		}
	}
	if err != nil {
		return err
	}
	slowness := max(1, took.Seconds()/ordinaryBoot.Seconds())
	fmt.Fprintf(os.Stderr, "the reference boot took %.1f s: deadlines are %.1f times as long\n", took.Seconds(), slowness)
	return errors.Join(
		os.RemoveAll(base), os.Setenv(envSlowness, strconv.FormatFloat(slowness, 'f', 2, 64)),
		os.Setenv(envReady, strconv.Itoa(min(maxReady, int(ordinaryReady*slowness)))),
	)
}
