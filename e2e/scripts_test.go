//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	envScript     = "BANGER_E2E_SCRIPT" // set in the re-executed process: the script's path
	envBase       = "BANGER_E2E_BASE"
	envFixtures   = "BANGER_E2E_FIXTURES"
	scriptTimeout = 8 * time.Minute
	// browserTimeout is what a script has besides, that drives a browser: on a busy machine
	// a page takes seconds.
	browserTimeout = 8 * time.Minute
)

// directives are what a script asks of the harness, in "# key: value" lines at
// its top.
type directives struct {
	browser   string   // the program of a browser
	fixtures  []string // put in place before: kernel, or an image
	files     []string // files wanted in $FIXTURES only
	smallDisk string   // a tmpfs of this size at $SMALL
	ownRepo   bool     // $REPO is a clone of the checkout that is tested
	next      bool     // $NEXT holds a newer build
	isolated  bool     // in its own network namespace: see isolate
	programs  []string // of the host, without which it cannot run
	devImage  bool     // $DEVIMAGE is an archive of the agent image: see devImage
	root      bool     // it runs as root, not as an ordinary user
}

func readDirectives(path string) (directives, error) {
	var d directives
	f, err := os.Open(path)
	if err != nil {
		return d, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() && strings.HasPrefix(lines.Text(), "#") {
		key, value, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(lines.Text(), "#")), ": ")
		if !ok {
			continue
		}
		switch key {
		case "needs":
			d.fixtures = strings.Fields(value)
		case "files":
			d.files = strings.Fields(value)
		case "programs":
			d.programs = strings.Fields(value)
		case "small-disk":
			d.smallDisk = value
		case "own-repository":
			d.ownRepo = true
		case "next-build":
			d.next = true
		case "network":
			d.isolated = value == "isolated"
		case "browser":
			d.browser = value
		case "user":
			d.root = value == "root"
		case "dev-image":
			d.devImage = value == "archive"
		}
	}
	return d, lines.Err()
}

func TestScripts(t *testing.T) {
	if script := os.Getenv(envScript); script != "" {
		runScript(t, script)
		return
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		missing(t, "%v (install qemu-system-x86)", err)
	}
	paths, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			spawnScript(t, theSuite, path)
		})
	}
}

// spawnScript runs one script, as an ordinary user unless it asks for root, in its own
// process, and then proves that nothing is left.
func spawnScript(t *testing.T, s *suite, path string) {
	d, err := readDirectives(path)
	if err != nil {
		t.Fatal(err)
	}
	if d.browser != "" {
		if _, err := exec.LookPath(d.browser); err != nil {
			missing(t, "%v (install %s)", err, d.browser)
		}
	}
	limit := scaled(scriptTimeout) + hostileTime()
	if d.browser != "" {
		limit += scaled(browserTimeout)
	}
	archive := ""
	if d.devImage {
		archive = devImage(t, s.repo)
		limit += devImageTime
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for _, program := range d.programs {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, "%v", err)
		}
	}
	if d.smallDisk != "" && os.Geteuid() != 0 {
		missing(t, "only root can mount a small disk")
	}
	lease := s.accounts.lease
	if d.root {
		lease = rootAccount
	}
	acct, err := lease(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.accounts.release(acct)
	base := filepath.Join(s.dir, t.Name()[strings.LastIndex(t.Name(), "/")+1:])
	if err := acct.makeBase(base); err != nil {
		t.Fatal(err)
	}
	if err := s.provide(ctx, acct, base, d); err != nil {
		t.Fatal(err)
	}
	if d.devImage {
		if err := tool(ctx, "install", "-m", "644", archive, filepath.Join(base, devImageFile)); err != nil {
			t.Fatal(err)
		}
	}
	if d.ownRepo {
		cloneOwn(t, s.repo, filepath.Join(base, "repo"), acct)
	}
	if d.smallDisk != "" {
		mountSmall(t, acct, filepath.Join(base, "small"), d.smallDisk)
	}

	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(s.dir, "e2e.test") // `go test` builds into a private directory
	if err := copyOnce(self, program); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(base, filepath.Base(path))
	if err := copyFile(abs, script, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := acct.command(ctx, base, program, "-test.run", "^TestScripts$", "-test.v", "-test.timeout", (limit - 30*time.Second).String())
	cmd.Env = append(cmd.Env, envHostile+"="+hostileTime().String(), envPictures+"="+os.Getenv(envPictures), envScript+"="+script, envBase+"="+base, envFixtures+"="+s.fixtures.Dir())
	if d.isolated {
		acct.isolated(cmd, []string{"env", envInternet + "=" + base, program})
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	start := time.Now()
	out, runErr := cmd.CombinedOutput()
	took := time.Since(start)
	skipped := verdict(t, out, runErr)

	found, err := leaks(context.WithoutCancel(ctx), acct, base)
	if err != nil {
		t.Error(err)
	}
	for _, leak := range found {
		t.Errorf("left behind: %s", leak)
	}
	if t.Failed() {
		t.Log(evidence(base))
	}
	killLeft(acct, base)
	keepPictures(t, base)
	if d.smallDisk != "" {
		if err := syscall.Unmount(filepath.Join(base, "small"), syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}
	if err := os.RemoveAll(base); err != nil {
		t.Error(err)
	}
	// e2e/kvm reads this line: `go test` says how subtests ended only when all have.
	how := "passed"
	switch {
	case t.Failed():
		how = "failed"
	case skipped:
		how = "skipped"
	}
	t.Logf("script %s %s in %.0f s", strings.TrimSuffix(filepath.Base(path), ".txtar"), how, took.Seconds())
	if skipped {
		missing(t, "%s", out)
	}
}

// verdict fails the test if the script failed, and reports whether it skipped.
func verdict(t *testing.T, out []byte, err error) (skipped bool) {
	t.Helper()
	for line := range strings.Lines(string(out)) {
		if _, text, ok := strings.Cut(line, figure); ok {
			t.Log(strings.TrimSpace(text))
		}
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return bytes.Contains(out, []byte("--- SKIP"))
}

// evidence is what the logs of a failed script say.
func evidence(base string) string {
	var b strings.Builder
	state := filepath.Join(base, "home/.local/state/banger")
	logs, _ := filepath.Glob(filepath.Join(state, "vms/*/*.log"))
	for _, path := range append(logs, filepath.Join(state, "bangerd.log")) {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		const keep = 4 << 10
		if len(data) > keep {
			data = data[len(data)-keep:]
		}
		fmt.Fprintf(&b, "== %s\n%s\n", strings.TrimPrefix(path, base), data)
	}
	return b.String()
}

// cloneOwn clones the repository that this test is in.
func cloneOwn(t *testing.T, repo, to string, acct *account) {
	t.Helper()
	if err := tool(t.Context(), "git", "clone", "-q", "--no-hardlinks", repo, to); err != nil {
		missing(t, "%v", err)
	}
	if err := tool(t.Context(), "chown", "-R", fmt.Sprintf("%d:%d", acct.uid, acct.gid), to); err != nil {
		t.Fatal(err)
	}
}

func mountSmall(t *testing.T, acct *account, dir, size string) {
	t.Helper()
	options := fmt.Sprintf("size=%s,mode=700,uid=%d,gid=%d", size, acct.uid, acct.gid)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		missing(t, "mount a tmpfs: %v", err)
	}
}

// runScript is the re-executed side: an ordinary testscript run.
func runScript(t *testing.T, script string) {
	base := os.Getenv(envBase)
	t.Cleanup(func() {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "banger", "daemon", "stop")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("banger daemon stop: %v: %s", err, out)
		}
	})
	testscript.Run(t, testscript.Params{
		Files:       []string{script},
		WorkdirRoot: filepath.Join(base, "work"),
		Cmds:        commands(),
		Setup: func(env *testscript.Env) error {
			keys := []string{"HOME", "XDG_RUNTIME_DIR", "TMPDIR", "PATH", "USER", "LOGNAME", "LANG", "NO_COLOR", "BANGER_CONSOLE"}
			for _, key := range append(keys, givenVariables()...) {
				if value := os.Getenv(key); value != "" {
					env.Setenv(key, value)
				}
			}
			env.Setenv("FIXTURES", os.Getenv(envFixtures))
			env.Setenv("STATE", filepath.Join(base, "home/.local/state/banger"))
			env.Setenv("DEVIMAGE", filepath.Join(base, devImageFile))
			env.Setenv("REPO", filepath.Join(base, "repo"))
			env.Setenv("SMALL", filepath.Join(base, "small"))
			env.Setenv("PROBE", filepath.Join(filepath.Dir(base), "lib/probe"))
			env.Setenv("NEXT", filepath.Join(filepath.Dir(base), "next/bin"))
			return nil
		},
	})
}
