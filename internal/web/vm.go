package web

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/fault"
)

// vmFrame is what each section of a VM's page has around it.
type vmFrame struct {
	VM     api.VM
	Head   vmHead
	Facts  []fact
	Labels []string
	Tabs   []tab
}

// vmHead is what changes in the head of a VM's page.
type vmHead struct {
	Path, Token string
	Mark        mark
	Age         age
	Attention   *attentionView
	Attach      string // the page of the terminal of the session to see first
	Shell       bool   // a shell can be started, where there is nothing to attach to
	Lead        bool   // the first of Front is what to do with a VM in this state
	Front, More []button
}

func (c *Console) vmHead(v api.VM, sessions []api.Session, token string) vmHead {
	needs := status.VMAttention(&v, sessions)
	head := vmHead{
		Path: vmPath(v.Name), Token: token, Mark: mark{State: v.State, Icon: stateIcon(v.State)}, Age: ageOf(c.now(), status.Since(&v)),
		Attention: viewAttention(needs, c.now()),
	}
	if busy(v.State) {
		head.Attach = toAttach(v.Name, needs, sessions)
	}
	head.Shell, head.Lead = v.State == api.VMRunning && head.Attach == "", !busy(v.State)
	head.Front, head.More = front(actsFor(v, sessions))
	return head
}

// fact is a line of what a VM is.
type fact struct{ Name, Value string }

// tab leads to a section of a page.
type tab struct {
	Name, Path, Count string
	Here              bool
}

// Path is that of the VM's page.
func (f vmFrame) Path() string { return vmPath(f.VM.Name) }

// Ended says why the VM's last start ended; empty: it runs, or was never started.
func (f vmFrame) Ended() string { return status.Ended(&f.VM) }

// ExitHint is what to do about the VM's end.
func (f vmFrame) ExitHint() string {
	return fault.FromWire(f.VM.ExitHint, f.VM.ExitHintParts).Word(cmdline.Line)
}

// Alive reports whether the guest can be asked.
func (f vmFrame) Alive() bool { return f.VM.State == api.VMRunning }

// lookTime bounds how long a page waits for a guest to say what changed in its workspace. A guest
// that does not answer must not keep its user from the pages that get rid of it.
const lookTime = time.Second

// inVM shows a section of a VM's page: section is the last part of its path, and the page's
// name is "vm-" and it.
func (c *Console) inVM(w http.ResponseWriter, r *http.Request, section string, build func(context.Context, vmFrame) (any, error)) {
	name := "vm"
	if section != "" {
		name += "-" + section
	}
	c.page(w, r, name, func(ctx context.Context, s *shell) error {
		v, err := c.api.LookVM(ctx, r.PathValue("name"), lookTime)
		if err != nil {
			return err
		}
		s.Title, s.Current = v.Name, v.Name
		if section != "" {
			s.Title = v.Name + ", " + section
		}
		s.Live = livePath(pageVM, url.Values{"of": {v.Name}, "section": {section}, operationParam: {r.URL.Query().Get(operationParam)}})
		f := c.frameOf(v, section)
		f.Head = c.vmHead(v, s.scene.sessions(v.ID), s.Token)
		s.Body, err = build(ctx, f)
		return err
	})
}

func (c *Console) frameOf(v api.VM, section string) vmFrame {
	f := vmFrame{VM: v, Facts: vmFacts(v)}
	for _, key := range slices.Sorted(maps.Keys(v.Labels)) {
		f.Labels = append(f.Labels, key+"="+v.Labels[key])
	}
	changed := ""
	if v.Workspace != nil && v.Workspace.State == api.WorkspaceChanged {
		changed = strconv.Itoa(v.Workspace.Files)
	}
	for _, t := range []tab{
		{Name: "Overview"},
		{Name: "Workspace", Path: "workspace", Count: changed},
		{Name: "Egress", Path: "egress", Count: policyName(v)},
		{Name: "Console", Path: "console"},
		{Name: "Ports", Path: "ports"},
		{Name: "Processes", Path: "processes"},
		{Name: "Resources", Path: "resources"},
	} {
		t.Here = t.Path == section
		t.Path = strings.TrimSuffix(f.Path()+"/"+t.Path, "/")
		f.Tabs = append(f.Tabs, t)
	}
	return f
}

// policyName is a preset's name, or how many lines a policy has.
func policyName(v api.VM) string {
	switch lines := strings.Count(v.Egress, "\n"); {
	case v.Network == api.NetworkNone:
		return "no network"
	case lines == 0:
		return v.Egress
	default:
		return fault.Count(lines, "rule")
	}
}

// vmView is the body of a VM's page.
type vmView struct {
	vmFrame
	portsPart
	takesView
	Sessions sessionsView
}

func (c *Console) vmPage(w http.ResponseWriter, r *http.Request) { c.showVM(w, r, func(*vmView) {}) }

// showVM shows a VM's page once more has been put into it.
func (c *Console) showVM(w http.ResponseWriter, r *http.Request, more func(*vmView)) {
	c.inVM(w, r, "", func(ctx context.Context, f vmFrame) (any, error) {
		view := vmView{vmFrame: f, portsPart: c.portsOf(ctx, f.VM)}
		if takes, known := c.takesKnown(f.VM); known {
			view.takesView = takes
		} else { // measuring may take a moment, which the page is not kept waiting for
			view.takesView = takesView{Why: "Not measured yet."}
		}
		var err error
		view.Sessions, err = c.sessions(ctx, f.VM, f.Head.Token)
		more(&view)
		return view, err
	})
}

func vmFacts(v api.VM) []fact {
	facts := []fact{
		{"Image", status.Image(&v)},
		{"Kernel", v.Kernel},
		{"Size", fmt.Sprintf("%d vCPU, %s, %s disk", v.VCPU, fault.Bytes(v.MemoryBytes), fault.Bytes(v.DiskBytes))},
		{"Address", v.Address},
		{"Driver", v.Driver},
	}
	return slices.DeleteFunc(facts, func(f fact) bool { return f.Value == "" })
}
