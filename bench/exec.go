package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// exec compares `vm exec NAME true` on a warm VM with ssh over a ControlMaster
// through the agent channel, to the agent's own server in the same guest.
func (b *bench) exec(ctx context.Context) error {
	if _, err := b.banger(ctx, "vm", "create", "--name", "warm", "--image", "busybox"); err != nil {
		return err
	}
	config, err := b.sshConfig(ctx, "warm")
	if err != nil {
		return err
	}
	// Without pipes: the master goes to the background and would hold them open.
	if err := b.command(ctx, "ssh", "-F", config, "-MNf", "warm").Run(); err != nil {
		return fmt.Errorf("start the ssh master: %w", err)
	}
	ours := func() (time.Duration, error) { return b.timedBanger(ctx, "vm", "exec", "warm", "true") }
	yardstick := func() (time.Duration, error) { return b.timed(ctx, "ssh", "-F", config, "warm", "true") }
	if _, err := interleaved(5, ours, yardstick); err != nil { // warm both
		return err
	}
	pairs, err := interleaved(max(31, b.pairs), ours, yardstick)
	if err != nil {
		return err
	}
	if err := b.report("vm exec NAME true", "ssh over a ControlMaster", 1.5, pairs); err != nil {
		return err
	}
	if _, err := b.timed(ctx, "ssh", "-F", config, "-O", "exit", "warm"); err != nil {
		return err
	}
	_, err = b.banger(ctx, "vm", "delete", "--force", "warm")
	return err
}

func (b *bench) sshConfig(ctx context.Context, name string) (string, error) {
	id, err := b.banger(ctx, "vm", "show", name, "-o", "json")
	if err != nil {
		return "", err
	}
	alias, err := stringField(id, "id")
	if err != nil {
		return "", err
	}
	state := filepath.Join(b.dir, "home/.local/state/banger/ssh")
	config := fmt.Sprintf("Host %s\n\tUser root\n\tHostKeyAlias %s\n\tUserKnownHostsFile %s/known_hosts\n\tIdentityFile %s/id_ed25519\n"+
		"\tIdentitiesOnly yes\n\tStrictHostKeyChecking yes\n\tControlMaster auto\n\tControlPath %s/master\n\tProxyCommand banger vm proxy %s\n",
		name, alias, state, state, b.dir, alias)
	path := filepath.Join(b.dir, "ssh_config")
	return path, os.WriteFile(path, []byte(config), 0o600)
}
