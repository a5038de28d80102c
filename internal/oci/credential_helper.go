package oci

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/bangervm/banger/internal/plain"
)

const (
	maxHelperAnswer = 1 << 20
	maxHelperSaid   = 300
	// helperTimeout leaves time to unlock a keychain.
	helperTimeout = 30 * time.Second
)

// helperRunner asks docker's credential helpers: programs that read a registry
// from stdin and write a login to stdout.
type helperRunner struct {
	timeout time.Duration // 0 means helperTimeout
}

// get returns nil when the helper knows no login. It ends with ctx, and so does
// the helper, with all that it has started.
func (r helperRunner) get(ctx context.Context, helper, key string) (authn.Authenticator, error) {
	program := "docker-credential-" + helper
	if strings.Trim(helper, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
		return nil, fmt.Errorf("%q is not the name of a credential helper", plain.Value(program))
	}
	limited, cancel := context.WithTimeout(ctx, cmp.Or(r.timeout, helperTimeout))
	defer cancel()
	cmd := exec.CommandContext(limited, program, "get")
	out, complaints := &head{limit: maxHelperAnswer}, &head{limit: 4 << 10}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(key+"\n"), out, complaints
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	said := plain.Line(strings.Join(strings.Fields(complaints.buf.String()+" "+out.buf.String()), " "), maxHelperSaid)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, fmt.Errorf("%s did not answer in %s", program, cmp.Or(r.timeout, helperTimeout))
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%s is not on the PATH of bangerd", program)
	case err != nil && strings.Contains(said, "credentials not found"):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%s failed (%w): %s", program, err, said)
	}
	return parseHelperAnswer(program, out.buf.Bytes())
}

func parseHelperAnswer(program string, answer []byte) (authn.Authenticator, error) {
	var login struct{ Username, Secret string }
	if err := json.Unmarshal(answer, &login); err != nil {
		return nil, fmt.Errorf("%s wrote no login: %w", program, err)
	}
	switch {
	case login.Username == "<token>":
		return authn.FromConfig(authn.AuthConfig{IdentityToken: login.Secret}), nil
	case login.Username == "" && login.Secret == "":
		return nil, nil
	}
	return authn.FromConfig(authn.AuthConfig{Username: login.Username, Password: login.Secret}), nil
}

// head keeps the beginning of what is written to it, and takes no more: who
// writes more than an answer has is ended by that.
type head struct {
	buf   bytes.Buffer // not embedded: its ReadFrom knows no limit
	limit int
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	n, _ := h.buf.Write(p[:min(len(p), h.limit-h.buf.Len())])
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}
