package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

func (a *App) egressLogCommand() *cobra.Command {
	var tail *optional[int]
	var follow bool
	var f *format
	cmd := &cobra.Command{
		Use: "log NAME", Short: "Print the connections that a VM made or was denied",
		Long: "Print the connections that a VM made or was denied: destination, rule, bytes sent and received, and the guest process\n" +
			"if known.\n\n" +
			"\"said\" is the name in the connection (TLS or HTTP). \"asked as\" is the DNS name that the guest looked up.\n" +
			"With -o json, each line is an object.",
		Example: "  banger vm egress log box\n  banger vm egress log box -f --tail 20\n  banger vm egress log box -o json",
		Args:    args(1, 1, "the NAME of a VM"), ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			if *f != formatTable && *f != formatJSON {
				return &usageError{message: "the egress log has no output format " + quote(string(*f)), hint: "use -o table or -o json"}
			}
			return a.egressLog(cmd.Context(), given[0], client.LogOptions{Tail: tail.or(-1), Follow: follow}, *f)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "follow the log until the VM stops")
	tail = tailFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

func (a *App) egressLog(ctx context.Context, name string, opts client.LogOptions, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	log, err := c.VMEgressLog(ctx, name, opts)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	if opts.Follow {
		stop, err := a.endUnread()
		if err != nil {
			return err
		}
		defer stop()
	}
	if f == formatJSON {
		_, err = io.Copy(a.Out, log)
	} else {
		err = a.egressLines(log)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Wrap(fault.Unavailable, err, "the log of %s ended early", name).WithHint("banger daemon status")
	default:
		return err
	}
}

// egressLines prints records as they come. What has arrived together is aligned
// together, and columns only ever widen.
func (a *App) egressLines(log io.Reader) error {
	records := client.NewEgressRecords(log)
	lines := growingTable{widths: []int{20, 5, 30, 20, 8, 8, 0}}
	lines.add([]string{"TIME", "EVENT", "DESTINATION", "RULE", "SENT", "RECEIVED", "PROCESS"})
	for {
		r, err := records.Next()
		if err == nil {
			lines.add(egressCells(r))
		}
		// A flush for each line would be slow, one at the end too late.
		if err != nil || !records.Waiting() {
			if printErr := a.print(lines.flush()); printErr != nil {
				return printErr
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func egressCells(r api.EgressRecord) []string {
	name, notes := egressName(r)
	if r.Reason != "" {
		notes = append(notes, r.Reason)
	}
	rule := r.Rule
	if len(notes) > 0 {
		rule = strings.TrimSpace(rule + " (" + strings.Join(notes, "; ") + ")")
	}
	sent, received := "", ""
	switch r.Event {
	case "close", "total":
		sent, received = bytesText(r.Sent), bytesText(r.Received)
	}
	return []string{timeText(&r.Time), r.Event, reached(r, name), rule, sent, received, r.Process}
}

// egressName is the name to show for where a record is about: the one that the rule
// is for, or that the connection named. For what it was asked as the guest's word
// stands alone, so that is a note.
func egressName(r api.EgressRecord) (name string, notes []string) {
	name = cmp.Or(r.Name, r.Said)
	if r.Said != "" && r.Said != name {
		notes = append(notes, "said "+r.Said)
	}
	if asked := strings.Fields(r.Asked); len(asked) > 0 && !slices.Contains(asked, name) {
		notes = append(notes, "asked as "+strings.Join(asked, ", "))
	}
	return name, notes
}

// reached is "tcp NAME/ADDRESS:PORT", as far as it is known.
func reached(r api.EgressRecord, name string) string {
	where := r.Address
	if r.Address != "" && r.Port != 0 {
		where = net.JoinHostPort(r.Address, strconv.Itoa(r.Port))
	}
	if name != "" && where != "" {
		where = "/" + where
	}
	return strings.TrimSpace(r.Protocol + " " + name + where)
}
