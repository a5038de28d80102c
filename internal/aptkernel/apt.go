package aptkernel

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/child"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/statedir"
)

const (
	limit     = 20 * time.Minute // for one program
	maxOutput = 1 << 20
	maxDeb    = 2 << 30
)

// apt is the host's apt, with its own state or with one of ours.
type apt struct {
	tools
	state string // a directory; empty: the host's own lists
}

// options are apt's settings: nothing that is not authenticated, nothing that asks,
// no user of its own.
func (a apt) options() []string {
	settings := []string{
		"APT::Sandbox::User=", "APT::Get::AllowUnauthenticated=false", "Acquire::AllowInsecureRepositories=false",
		"Acquire::AllowWeakRepositories=false", "Acquire::AllowDowngradeToInsecureRepositories=false",
		"Acquire::Languages=none", "Acquire::Retries=2", "Acquire::http::Timeout=30", "Acquire::https::Timeout=30",
	}
	if a.state != "" {
		settings = append(settings, "Dir::State="+filepath.Join(a.state, "state"), "Dir::State::Lists=lists", "Dir::State::status=/var/lib/dpkg/status",
			"Dir::Cache="+filepath.Join(a.state, "cache"), "Dir::Cache::archives=archives")
	}
	var all []string
	if a.state != "" {
		all = []string{"-c", a.conf()}
	}
	for _, s := range settings {
		all = append(all, "-o", s)
	}
	return all
}

func (a apt) conf() string { return filepath.Join(a.state, "apt.conf") }

// noHooks ends what the host's configuration has apt do after an update, which is
// about the host's own lists.
const noHooks = "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"

// update fetches the lists of the host's package sources into a state of ours.
func (a apt) update(ctx context.Context) error {
	for _, dir := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.state, dir), 0o700); err != nil {
			return statedir.DiskFault(err, a.state)
		}
	}
	if err := os.WriteFile(a.conf(), []byte(noHooks), 0o600); err != nil {
		return statedir.DiskFault(err, a.state)
	}
	if _, err := run(ctx, a.state, nil, a.get, append(a.options(), "-qq", "update")...); ctx.Err() != nil {
		return context.Cause(ctx)
	} else if err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot fetch the package lists").
			WithHint("check the network, and /etc/apt/sources.list.d; as root, apt-get update says more")
	}
	return nil
}

// show returns the record of a package's candidate.
func (a apt) show(ctx context.Context, name string) (string, error) {
	out, err := run(ctx, "/", nil, a.cache, append(a.options(), "--no-all-versions", "show", name)...)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil || len(out) == 0 {
		return "", fault.Wrap(fault.Unavailable, err, "apt does not know the package %s", name)
	}
	return string(out), nil
}

// location is where apt gets a package.
type location struct {
	url, file, sha256 string
	size              int64
}

// locate asks where a package NAME=VERSION is.
func (a apt) locate(ctx context.Context, spec string) (location, error) {
	out, err := run(ctx, "/", nil, a.get, append(a.options(), "-qq", "--print-uris", "download", spec)...)
	if err != nil {
		return location{}, err
	}
	return parseLocation(string(out))
}

// parseLocation reads a line as in 'URL' FILE SIZE HASH.
func parseLocation(out string) (location, error) {
	bad := fault.New(fault.Unavailable, "apt does not say where the package is: %.200q", out)
	fields := strings.Fields(out)
	if len(fields) < 3 {
		return location{}, bad
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	l := location{url: strings.Trim(fields[0], "'"), file: fields[1], size: size}
	if err != nil || size < 1 || size > maxDeb || filepath.Base(l.file) != l.file || !strings.HasSuffix(l.file, ".deb") || len(l.url) > 1000 {
		return location{}, bad
	}
	if len(fields) > 3 {
		l.sha256, _ = strings.CutPrefix(fields[3], "SHA256:")
		if l.sha256 == fields[3] {
			l.sha256 = ""
		}
	}
	return l, nil
}

// download gets packages of size bytes together into dir.
func (a apt) download(ctx context.Context, dir string, packages []wanted, size int64, p operation.Progress) error {
	p.Count(0, size, "bytes")
	status := func(line string) {
		if percent, ok := parseStatus(line); ok {
			p.Count(int64(percent/100*float64(size)), size, "bytes")
		}
	}
	args := append(a.options(), "-o", "APT::Status-Fd=3", "-qq", "download")
	for _, w := range packages {
		args = append(args, w.spec())
	}
	if _, err := run(ctx, dir, status, a.get, args...); ctx.Err() != nil {
		return context.Cause(ctx)
	} else if err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot download the package %s", packages[0].spec())
	}
	p.Count(size, size, "bytes")
	return nil
}

// parseStatus reads how much is done from a line of APT::Status-Fd.
func parseStatus(line string) (percent float64, ok bool) {
	fields := strings.SplitN(line, ":", 4)
	if len(fields) < 3 || fields[0] != "dlstatus" {
		return 0, false
	}
	percent, err := strconv.ParseFloat(fields[2], 64)
	return percent, err == nil && percent >= 0 && percent <= 100
}

// environment is what the programs need of ours.
func environment() []string {
	env := []string{"LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "APT_CONFIG"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// run runs a program in dir and returns what it printed. It and what it started are
// ended when ctx ends; it alone when this process dies. status gets the lines of file descriptor 3.
func run(ctx context.Context, dir string, status func(line string), name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, environment(), 5*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var stdout, stderr bounded
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	finish := func() {}
	if status != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		cmd.ExtraFiles = []*os.File{w}
		done := make(chan struct{})
		go func() {
			defer close(done)
			follow(r, status)
		}()
		finish = func() {
			_ = w.Close()
			_ = r.SetReadDeadline(time.Now().Add(time.Second)) // whoever else holds it
			<-done
			_ = r.Close()
		}
	}
	err := child.Run(cmd)
	finish()
	if err == nil {
		return stdout.Bytes(), nil
	}
	if cause := context.Cause(ctx); cause != nil && errors.Is(cause, context.DeadlineExceeded) {
		return nil, fault.New(fault.Unavailable, "%s did not end within %s", filepath.Base(name), limit)
	} else if cause != nil {
		return nil, cause
	}
	return nil, fmt.Errorf("%s: %w: %s", filepath.Base(name), err, lastLines(stderr.String()))
}

// follow reads lines of a bounded length until the end.
func follow(r io.Reader, line func(string)) {
	in := bufio.NewScanner(r)
	for in.Scan() {
		line(in.Text())
	}
	_, _ = io.Copy(io.Discard, r) // after a line too long
}

// lastLines is the end of what a program complained of.
func lastLines(text string) string {
	const most = 400
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = "…" + text[len(text)-most:]
	}
	return strings.ToValidUTF8(text, "?")
}

// bounded keeps the first maxOutput bytes.
type bounded struct{ bytes.Buffer }

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), maxOutput-b.Len())
	b.Buffer.Write(p[:keep])
	return len(p), nil
}
