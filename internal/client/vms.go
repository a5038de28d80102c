package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"time"

	"github.com/bangervm/banger/internal/api"
)

// Ping identifies the daemon.
func (c *Client) Ping(ctx context.Context) (api.Ping, error) {
	return call[api.Ping](ctx, c, http.MethodGet, path("ping"), nil)
}

// StopDaemon asks the daemon to end, and returns when it has agreed. VMs live
// on. Busy, unless forced, while operations are under way.
func (c *Client) StopDaemon(ctx context.Context, req api.StopDaemon) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, path("daemon", "stop"), req)
	return err
}

// ListVMs returns the VMs that have all of the labels (nil: all VMs), oldest first.
func (c *Client) ListVMs(ctx context.Context, labels map[string]string) ([]api.VM, error) {
	query := url.Values{}
	for k, v := range labels {
		query.Add("label", k+"="+v)
	}
	sort.Strings(query["label"])
	target := path("vms")
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return list[api.VM](ctx, c, target)
}

// GetVM returns the VM called name (a name, or a unique prefix of an id, as
// everywhere), with its Runtime while it is alive.
func (c *Client) GetVM(ctx context.Context, name string) (api.VM, error) {
	return call[api.VM](ctx, c, http.MethodGet, path("vms", name), nil)
}

// LookVM is GetVM, with a bound for the look at the workspace of a running VM: whole seconds, 15 at
// most. After that its state is unknown; 0: it is as it was last measured.
func (c *Client) LookVM(ctx context.Context, name string, within time.Duration) (api.VM, error) {
	query := url.Values{"look": {strconv.Itoa(int(within / time.Second))}}
	return call[api.VM](ctx, c, http.MethodGet, path("vms", name)+"?"+query.Encode(), nil)
}

// WaitVM waits until a VM is ready, stopped or accepts connections on port:N, as
// long as ctx lasts.
func (c *Client) WaitVM(ctx context.Context, name, until string) (api.VM, error) {
	return call[api.VM](ctx, c, http.MethodGet, path("vms", name, "wait")+"?"+url.Values{"for": {until}}.Encode(), nil)
}

// CreateVM begins the operation whose result is the new api.VM.
func (c *Client) CreateVM(ctx context.Context, req api.CreateVM) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms"), req)
}

// StartVM begins the operation; its result is the api.VM.
func (c *Client) StartVM(ctx context.Context, name string, req api.StartVM) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms", name, "start"), req)
}

// StopVM begins the operation; its result is the api.VM.
func (c *Client) StopVM(ctx context.Context, name string, req api.StopVM) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms", name, "stop"), req)
}

// SuspendVM begins the operation; its result is the api.VM.
func (c *Client) SuspendVM(ctx context.Context, name string) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms", name, "suspend"), nil)
}

// RestartVM begins the operation; its result is the api.VM.
func (c *Client) RestartVM(ctx context.Context, name string, req api.RestartVM) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms", name, "restart"), req)
}

// ResetVM begins the operation; its result is the api.VM. Without force work
// that would be lost, and that no export has, is Conflict.
func (c *Client) ResetVM(ctx context.Context, name string, discardWork bool) (api.Operation, error) {
	target := path("vms", name, "reset")
	if discardWork {
		target += "?discard_work=true"
	}
	return call[api.Operation](ctx, c, http.MethodPost, target, nil)
}

// CommitVM begins the operation whose result is the api.Image. A VM that is alive is
// Conflict.
func (c *Client) CommitVM(ctx context.Context, name string, req api.CommitVM) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms", name, "commit"), req)
}

// DeleteVM begins the operation, which fails with Conflict for what req does not allow.
func (c *Client) DeleteVM(ctx context.Context, name string, req api.DeleteVM) (api.Operation, error) {
	query := url.Values{}
	if req.Force {
		query.Set("force", "true")
	}
	if req.DiscardWork {
		query.Set("discard_work", "true")
	}
	target := path("vms", name)
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return call[api.Operation](ctx, c, http.MethodDelete, target, nil)
}

// PauseVM stops the VM's processors.
func (c *Client) PauseVM(ctx context.Context, name string) (api.VM, error) {
	return call[api.VM](ctx, c, http.MethodPost, path("vms", name, "pause"), nil)
}

// ResumeVM lets a paused VM run on, and a suspended one go on.
func (c *Client) ResumeVM(ctx context.Context, name string) (api.VM, error) {
	return call[api.VM](ctx, c, http.MethodPost, path("vms", name, "resume"), nil)
}

// KillVM sends a signal to the VMM process.
func (c *Client) KillVM(ctx context.Context, name string, req api.KillVM) (api.VM, error) {
	return call[api.VM](ctx, c, http.MethodPost, path("vms", name, "kill"), req)
}

// UpdateVM changes a stopped VM.
func (c *Client) UpdateVM(ctx context.Context, name string, req api.UpdateVM) (api.VM, error) {
	return call[api.VM](ctx, c, http.MethodPatch, path("vms", name), req)
}

// VMHealth asks the agent in the guest.
func (c *Client) VMHealth(ctx context.Context, name string) (api.Health, error) {
	return call[api.Health](ctx, c, http.MethodGet, path("vms", name, "health"), nil)
}

// VMSSH returns what an SSH client needs. The VM need not run.
func (c *Client) VMSSH(ctx context.Context, name string) (api.SSHAccess, error) {
	return call[api.SSHAccess](ctx, c, http.MethodGet, path("vms", name, "ssh"), nil)
}

// LogOptions choose what VMLogs and VMEgressLog return.
type LogOptions struct {
	Tail   int  // lines from the end; negative: all
	Follow bool // go on with what is written, until the VM ends or ctx does
}

func (o LogOptions) query() string {
	query := url.Values{}
	if o.Tail >= 0 {
		query.Set("tail", strconv.Itoa(o.Tail))
	}
	if o.Follow {
		query.Set("follow", "true")
	}
	if len(query) == 0 {
		return ""
	}
	return "?" + query.Encode()
}

// VMLogs returns the VM's console output. The caller closes it; with Follow it
// reads to end-of-file when the VM is not alive any more.
func (c *Client) VMLogs(ctx context.Context, name string, opts LogOptions) (io.ReadCloser, error) {
	return c.stream(ctx, path("vms", name, "logs")+opts.query())
}

func (c *Client) stream(ctx context.Context, target string) (io.ReadCloser, error) {
	resp, err := c.open(ctx, target)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// open is stream with the answer's headers.
func (c *Client) open(ctx context.Context, target string) (*http.Response, error) {
	req, err := request(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	return c.send(req)
}
