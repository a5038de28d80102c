package client

import (
	"context"
	"io"
	"net/http"

	"github.com/bangervm/banger/internal/api"
)

// VMEgress returns the policy of what the guest may reach.
func (c *Client) VMEgress(ctx context.Context, name string) (api.Egress, error) {
	return call[api.Egress](ctx, c, http.MethodGet, path("vms", name, "egress"), nil)
}

// SetVMEgress replaces the policy, also of a VM that runs: flows that the new
// one does not allow are cut.
func (c *Client) SetVMEgress(ctx context.Context, name string, req api.SetEgress) (api.Egress, error) {
	return call[api.Egress](ctx, c, http.MethodPut, path("vms", name, "egress"), req)
}

// AddVMEgress puts rules before those of the policy, and returns the new policy.
func (c *Client) AddVMEgress(ctx context.Context, name string, req api.AddEgress) (api.Egress, error) {
	return call[api.Egress](ctx, c, http.MethodPost, path("vms", name, "egress", "rules"), req)
}

// RemoveVMEgress takes rules out of the policy, and returns the new policy.
func (c *Client) RemoveVMEgress(ctx context.Context, name string, req api.RemoveEgress) (api.Egress, error) {
	return call[api.Egress](ctx, c, http.MethodPost, path("vms", name, "egress", "rules", "remove"), req)
}

// EgressRules returns the rules that new VMs begin with.
func (c *Client) EgressRules(ctx context.Context) (api.EgressRules, error) {
	return call[api.EgressRules](ctx, c, http.MethodGet, path("egress", "rules"), nil)
}

// AddEgressRules puts rules before those of new VMs, and returns them all.
func (c *Client) AddEgressRules(ctx context.Context, req api.ChangeEgressRules) (api.EgressRules, error) {
	return call[api.EgressRules](ctx, c, http.MethodPost, path("egress", "rules"), req)
}

// RemoveEgressRules takes rules out of those of new VMs, and returns the others.
func (c *Client) RemoveEgressRules(ctx context.Context, req api.ChangeEgressRules) (api.EgressRules, error) {
	return call[api.EgressRules](ctx, c, http.MethodPost, path("egress", "rules", "remove"), req)
}

// TestVMEgress asks what the policy says of a flow.
func (c *Client) TestVMEgress(ctx context.Context, name string, req api.TestEgress) (api.EgressVerdict, error) {
	return call[api.EgressVerdict](ctx, c, http.MethodPost, path("vms", name, "egress", "test"), req)
}

// VMEgressLog returns what the guest reached and was denied, an
// api.EgressRecord as JSON on each line. The caller closes it; with Follow it
// reads to end-of-file when the VM is not alive any more. See EgressRecords.
func (c *Client) VMEgressLog(ctx context.Context, name string, opts LogOptions) (io.ReadCloser, error) {
	return c.stream(ctx, path("vms", name, "egress", "log")+opts.query())
}

// VMPorts returns the ports of a VM that can be reached on this host, or should be.
func (c *Client) VMPorts(ctx context.Context, name string) ([]api.Port, error) {
	return list[api.Port](ctx, c, path("vms", name, "ports"))
}

// VMForwards returns what was made by AddVMForward and is still there.
func (c *Client) VMForwards(ctx context.Context, name string) ([]api.Forward, error) {
	return list[api.Forward](ctx, c, path("vms", name, "forwards"))
}

// AddVMForward leads from a listener of the host into a running guest, until
// the VM stops. The answer says where it listens.
func (c *Client) AddVMForward(ctx context.Context, name string, req api.Forward) (api.Forward, error) {
	return call[api.Forward](ctx, c, http.MethodPost, path("vms", name, "forwards"), req)
}

// RemoveVMForward removes the forward with req's Proto and Host.
func (c *Client) RemoveVMForward(ctx context.Context, name string, req api.Forward) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, path("vms", name, "forwards", "remove"), req)
	return err
}

// VMProcesses returns the processes in a guest, those that took most CPU time first.
func (c *Client) VMProcesses(ctx context.Context, name string) (api.Processes, error) {
	return call[api.Processes](ctx, c, http.MethodGet, path("vms", name, "processes"), nil)
}

// VMStats returns what one VM takes.
func (c *Client) VMStats(ctx context.Context, name string) (api.Stats, error) {
	return call[api.Stats](ctx, c, http.MethodGet, path("vms", name, "stats"), nil)
}

// Stats returns what each VM that is alive takes.
func (c *Client) Stats(ctx context.Context) ([]api.Stats, error) {
	return list[api.Stats](ctx, c, path("stats"))
}
