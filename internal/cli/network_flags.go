package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

// networkFlags are the flags by which create and run describe a VM's network in req;
// what is published it returns.
func (a *App) networkFlags(cmd *cobra.Command, req *api.CreateVM) *publishes {
	flagInto(cmd, &req.Network, "network", "MODE", "user (a private network) or none (no network device) (default user)", func(text string) (string, error) {
		return oneOf("--network", text, api.NetworkUser, api.NetworkNone)
	})
	flagInto(cmd, &req.Egress, "egress", "POLICY", "what the VM may reach: all, none, packages, ai, rules or @FILE (not -); see 'banger vm egress --help'"+fromConfig("network.egress", ""), a.policyFile)
	flagInto(cmd, &req.Ports, "ports", "WHICH", "guest ports to forward to this host automatically: all, shared (all but those on the guest's loopback) or none"+fromConfig("network.ports", ""), func(text string) (string, error) {
		return oneOf("--ports", text, api.PortsAll, api.PortsShared, api.PortsNone)
	})
	complete(cmd, "ports", api.PortsAll, api.PortsShared, api.PortsNone)
	complete(cmd, "network", api.NetworkUser, api.NetworkNone)
	complete(cmd, "egress", egress.Presets()...)
	return publishFlag(cmd, "publish a guest port on the host: [ADDR:]HOST:GUEST[/udp] (repeatable)")
}

// policyFile is policy without standard input, which create and run keep for
// what runs in the VM.
func (a *App) policyFile(text string) (string, error) {
	if path, isFile := strings.CutPrefix(text, "@"); isFile {
		file, err := os.Open(path)
		if err != nil {
			code := fault.NotFound
			if errors.Is(err, fs.ErrPermission) {
				code = fault.PermissionDenied
			}
			return "", fault.Wrap(code, err, "cannot read the policy in %q", path)
		}
		defer func() { _ = file.Close() }()
		return readPolicy(file, path)
	}
	_, err := egress.Parse(text)
	return text, err
}

// policy reads a POLICY: a preset, the text of rules, @FILE, or - for stdin.
func (a *App) policy(text string) (string, error) {
	if text == "-" {
		return readPolicy(a.In, "stdin")
	}
	return a.policyFile(text)
}

func readPolicy(r io.Reader, from string) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, egress.MaxText+1))
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "cannot read the policy in %q", from)
	}
	if len(data) > egress.MaxText {
		return "", fault.New(fault.Invalid, "the policy in %q is larger than %d bytes", from, egress.MaxText)
	}
	_, err = egress.Parse(string(data))
	return string(data), err
}
