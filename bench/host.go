package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func (b *bench) environ() []string {
	env := []string{
		"HOME=" + filepath.Join(b.dir, "home"), "XDG_RUNTIME_DIR=" + filepath.Join(b.dir, "run"),
		"PATH=" + filepath.Join(b.repo, "bin") + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "LANG=C.UTF-8", "NO_COLOR=1",
		"BANGER_TEMPLATE=" + map[bool]string{true: "auto", false: "off"}[b.templates],
	}
	if b.driver != "" {
		env = append(env, "BANGER_DRIVER="+b.driver)
	}
	if firecracker := os.Getenv("BANGER_FIRECRACKER_BIN"); firecracker != "" {
		env = append(env, "BANGER_FIRECRACKER_BIN="+firecracker)
	}
	if b.qemu != "" {
		env = append(env, "BANGER_QEMU="+b.qemu)
	}
	return env
}

func (b *bench) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Dir = b.environ(), b.dir
	return cmd
}

// banger runs the command line and returns its stdout.
func (b *bench) banger(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := b.command(ctx, filepath.Join(b.repo, "bin", "banger"), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("banger %s: %w: %s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return stdout.String(), nil
}

// timed runs a command that must succeed, and returns how long it took.
func (b *bench) timed(ctx context.Context, program string, args ...string) (time.Duration, error) {
	cmd := b.command(ctx, program, args...)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, out)
	}
	return time.Since(start), nil
}

func (b *bench) timedBanger(ctx context.Context, args ...string) (time.Duration, error) {
	return b.timed(ctx, filepath.Join(b.repo, "bin", "banger"), args...)
}
