//go:build e2e

package e2e

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestConsoleOfAnotherUser has another user of the host try what a web console that runs
// shows: it answers only its own user, and no command line has a secret of it.
func TestConsoleOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "only root can be two users")
	}
	ctx, cancel := context.WithTimeout(t.Context(), scaled(2*time.Minute))
	defer cancel()
	owner, other := leaseFor(t), leaseFor(t)
	base, otherBase := filepath.Join(theSuite.dir, "console"), filepath.Join(theSuite.dir, "console-other")
	for acct, dir := range map[*account]string{owner: base, other: otherBase} {
		if err := acct.makeBase(dir); err != nil {
			t.Fatal(err)
		}
	}
	as := func(acct *account, dir string, argv ...string) (string, error) {
		out, err := acct.command(ctx, dir, argv...).CombinedOutput()
		return string(out), err
	}
	banger, probe := filepath.Join(theSuite.dir, "bin/banger"), filepath.Join(theSuite.dir, "lib/probe")
	printed, err := as(owner, base, banger, "web", "--print")
	if err != nil {
		t.Fatal(err, printed)
	}
	defer func() {
		if out, err := owner.command(context.WithoutCancel(ctx), base, banger, "daemon", "stop").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}()
	link, err := url.Parse(strings.TrimSpace(printed))
	if err != nil {
		t.Fatal(err)
	}
	address, secret := "127.0.0.1:"+link.Port(), strings.TrimPrefix(link.Path, "/enter/")
	get := func(acct *account, dir, path, host string) (string, error) {
		return as(acct, dir, probe, "get", "http://"+address+path, address, host)
	}

	cut := regexp.MustCompile(`connection reset|broken pipe|EOF`)
	// Without the console's name, which is secret from others, and then with it.
	for host, want := range map[string]string{"": "not the address of the console", "localhost:" + link.Port(): "not the address of the console", link.Host: "not signed in"} {
		if got, err := get(owner, base, "/", host); err != nil || !strings.Contains(got, want) || strings.Contains(got, `name="token"`) {
			t.Errorf("its user is shown %q at %q: %v", got, host, err)
		}
		for _, path := range []string{"/", "/settings", "/live?page=dashboard", "/files?field=x&back=/", link.Path} {
			if got, err := get(other, otherBase, path, host); err == nil || !cut.MatchString(got) {
				t.Errorf("another user has an answer of %s at %q: %q, %v", path, host, got, err)
			}
		}
	}

	// What tells of it is closed to others, and nothing of it is on a command line.
	state := filepath.Join(base, stateBelowHome)
	if out, err := as(other, otherBase, "ls", state); err == nil {
		t.Errorf("another user reads the owner's state: %s", out)
	}
	if out, err := as(other, otherBase, "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"); strings.Contains(out, link.Hostname()) || strings.Contains(out, secret) {
		t.Errorf("another user sees the link in a process: %v", err)
	}
	// The link still works: nothing that others tried used it up.
	if got, err := as(owner, base, probe, "get", "http://"+address+link.Path, address, link.Host); err != nil || !strings.Contains(got, "Open the console") {
		t.Errorf("the owner's link: %v %q", err, got)
	}
}

func leaseFor(t *testing.T) *account {
	t.Helper()
	acct, err := theSuite.accounts.lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theSuite.accounts.release(acct) })
	return acct
}
