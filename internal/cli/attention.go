package cli

import (
	"context"
	"errors"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// attentionText is for a table: with the age, and of a VM with its session.
func attentionText(now time.Time, a *api.Attention) string {
	if a == nil {
		return ""
	}
	text := status.Attention(*a)
	if a.Session != "" {
		text = a.Session + " " + text
	}
	return text + " " + ageText(now, a.Since)
}

// attentionFull is attentionText with the program's own words.
func attentionFull(now time.Time, a *api.Attention) string {
	text := attentionText(now, a)
	if a != nil && a.Text != "" {
		text += ": " + a.Text
	}
	return text
}

// attentionSaid is for an event, which has a time of its own.
func attentionSaid(a api.Attention) string {
	if a.Text == "" {
		return status.Attention(a)
	}
	return status.Attention(a) + ": " + a.Text
}

func attentionTint(a *api.Attention) string {
	switch {
	case a == nil:
		return ""
	case status.Needs(a):
		return "33"
	case a.State == api.AttentionWorking:
		return "32"
	default:
		return "2"
	}
}

// waitNeedsInput waits until a session needs input, of the VM called name or, where
// that is empty, of any.
func (a *App) waitNeedsInput(ctx context.Context, c *client.Client, name string, f format) error {
	vmID := ""
	if name != "" {
		v, err := c.GetVM(ctx, name)
		if err != nil {
			return err
		}
		vmID = v.ID
	}
	for ev, err := range c.Events(ctx, client.EventOptions{Kinds: []string{api.EventSession, api.EventVM}}) {
		switch {
		case err != nil:
			return err
		case ev.Kind == api.EventVM && ev.VMID == vmID:
			if err := stillAlive(ev); err != nil {
				return err
			}
		case ev.Kind == api.EventSession && (vmID == "" || ev.VMID == vmID):
			sess, err := client.EventBody[api.Session](ev)
			if err != nil || !status.Needs(sess.Attention) {
				continue // it is gone, or needs nothing
			}
			if f != formatTable {
				return sessionView(time.Now()).show(a, f, sess)
			}
			return a.print(eventName(ev) + " " + plain.Line(attentionSaid(*sess.Attention), maxShown) + "\n")
		}
	}
	return errors.New("the events ended") // they do not, without an error
}

// stillAlive refuses to wait for a VM that is not alive.
func stillAlive(ev api.Event) error {
	v, err := client.EventBody[api.VM](ev)
	switch {
	case ev.Action == api.ActionDeleted:
		return fault.New(fault.NotFound, "VM %s was deleted", ev.Name)
	case err == nil && (v.State == api.VMStopped || v.State == api.VMFailed): // one without a body says no more
		return fault.New(fault.Conflict, "VM %s is %s", v.Name, v.State).Try(act.VMStart.On(v.Name))
	}
	return nil
}
