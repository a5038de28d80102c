package cli

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

type eventsOptions struct {
	follow bool
	since  *optional[string]
	kinds  []string
	format *format
}

func (a *App) eventsCommand() *cobra.Command {
	var opts eventsOptions
	cmd := &cobra.Command{
		Use: "events", Short: "Print what changed: VMs, sessions, operations and more",
		Long: "Print what changed: VMs, images, kernels, operations, sessions, workspaces, ports, egress, and the daemon.\n\n" +
			"bangerd keeps the latest events until it stops. With -f, banger prints new events until you interrupt it, and connects\n" +
			"again if bangerd restarts. With -o json, each line is an object.",
		Example: "  banger events\n  banger events -f --kind session,vm\n  banger events -f -o json",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if *opts.format != formatTable && *opts.format != formatJSON {
				return &usageError{message: "events have no output format " + quote(string(*opts.format)), hint: "use -o table or -o json"}
			}
			return a.events(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVarP(&opts.follow, "follow", "f", false, "print new events until interrupted")
	opts.since = optionalFlag(cmd, "since", "ID", "print only events after the one with this `ID` (default: all that bangerd keeps)", notEmpty)
	cmd.Flags().StringSliceVar(&opts.kinds, "kind", nil, "print only events of this `KIND`: "+strings.Join(api.EventKinds(), ", ")+" (repeatable; default: all but sample and host)")
	complete(cmd, "kind", api.EventKinds()...)
	opts.format = formatFlag(cmd)
	return cmd
}

func (a *App) events(ctx context.Context, opts eventsOptions) error {
	for _, kind := range opts.kinds {
		if !slices.Contains(api.EventKinds(), kind) {
			return &usageError{message: "unknown event kind " + quote(kind), hint: "use " + strings.Join(api.EventKinds(), ", ")}
		}
	}
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	if opts.follow {
		stop, err := a.endUnread()
		if err != nil {
			return err
		}
		defer stop()
	}
	printed := eventPrinter{a: a, json: *opts.format == formatJSON, lines: growingTable{widths: []int{20, 13, 9, 8, 12, 0}}}
	for ev, err := range c.Events(ctx, client.EventOptions{
		Since: opts.since.or("0"), Kinds: opts.kinds, Once: !opts.follow,
		Lost: func(error) { a.say("lost the connection to bangerd; waiting for it") },
	}) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = printed.event(ev)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eventPrinter prints events as they come.
type eventPrinter struct {
	a      *App
	json   bool
	headed bool
	lines  growingTable
}

func (p *eventPrinter) event(ev api.Event) error {
	if p.json {
		line, err := json.Marshal(ev)
		if err != nil {
			return err
		}
		return p.a.print(escapeUnseen(string(line), "") + "\n")
	}
	if !p.headed {
		p.headed = true
		p.lines.add([]string{"TIME", "ID", "KIND", "ACTION", "NAME", "DETAIL"})
	}
	switch {
	case ev.Kind == api.EventReset:
		p.a.say(lostEvents(ev.Reason))
		return nil
	case ev.Kind == api.EventLive:
		return p.a.print(p.lines.flush())
	case ev.Action == api.ActionPresent && ev.Kind != api.EventSample && ev.Kind != api.EventHost:
		return nil
	}
	p.lines.add([]string{timeText(&ev.Time), ev.ID, ev.Kind, ev.Action, eventName(ev), eventDetail(ev)})
	return p.a.print(p.lines.flush())
}

// lostEvents says why a stream began anew.
func lostEvents(reason string) string {
	if reason == "another daemon" {
		return "bangerd has restarted: its earlier events are gone"
	}
	return "some events were lost (" + reason + ")"
}

// eventName is what an event is about: a session with its VM.
func eventName(ev api.Event) string {
	name := ev.Name
	if name == "" {
		name = idText(ev.Object)
	}
	if ev.VM != "" && ev.VM != name {
		return ev.VM + "/" + name
	}
	return name
}

// eventDetail says in a few words what became of it.
func eventDetail(ev api.Event) string {
	switch ev.Kind {
	case api.EventVM:
		return detail(ev, func(v api.VM) string { return strings.TrimSpace(v.State + " " + v.ExitMessage) })
	case api.EventOperation:
		return detail(ev, operationDetail)
	case api.EventSession:
		return detail(ev, func(s api.Session) string {
			if s.Attention == nil || s.Attention.State == api.AttentionDone {
				return stateOfSession(s)
			}
			return attentionSaid(*s.Attention)
		})
	case api.EventWorkspace:
		return detail(ev, func(w api.Workspace) string { return w.State + ", " + fault.Count(w.Files, "file") + " not exported" })
	case api.EventEgress:
		return detail(ev, decisionDetail)
	case api.EventDaemon:
		return detail(ev, func(b api.Build) string { return b.Version })
	case api.EventSample:
		return detail(ev, func(s api.Stats) string {
			return "memory " + bytesText(s.HostMemoryBytes) + ", net in " + bytesText(s.NetInBytes) + ", net out " + bytesText(s.NetOutBytes)
		})
	case api.EventHost:
		return detail(ev, func(s api.HostStats) string {
			return "memory " + bytesText(s.MemoryBytes-s.MemoryAvailableBytes) + " of " + bytesText(s.MemoryBytes) + ", disk " + bytesText(s.DiskBytes-s.DiskAvailableBytes) + " of " + bytesText(s.DiskBytes)
		})
	default:
		return ""
	}
}

func detail[T any](ev api.Event, text func(T) string) string {
	body, err := client.EventBody[T](ev)
	if err != nil { // it is gone, or has none
		return ""
	}
	return text(body)
}

func decisionDetail(d api.EgressDecision) string {
	name, notes := egressName(d.EgressRecord)
	if d.Process != "" {
		notes = append(notes, "by "+d.Process)
	}
	if d.Missed > 0 {
		notes = append(notes, "after "+strconv.FormatInt(d.Missed, 10)+" more, see the egress log")
	}
	text := reached(d.EgressRecord, name)
	if d.Rule != "" {
		text += ", rule " + quote(d.Rule)
	}
	return strings.Join(append([]string{text}, notes...), ", ")
}

func operationDetail(op api.Operation) string {
	text := op.Kind + " " + op.State
	if n := len(op.Stages); n > 0 && op.State == api.OperationRunning {
		text = op.Kind + ": " + op.Stages[n-1].Name
	}
	if op.Problem != nil {
		text += ": " + op.Problem.Message
	}
	return text
}
