package web

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/client/denied"
	"github.com/bangervm/banger/internal/plain"
)

// The bounds of the egress log on a page.
const (
	flowsRead  = 1000 // records, from the end
	flowsShown = 200
	maxCell    = 300 // bytes of a text
)

// flowView is a row of the egress log: records of the same flow, the latest of which it shows.
type flowView struct {
	Times             int
	AtLeast           bool // there may have been more
	Age               age
	Denied            bool
	Word, Icon        string
	Where, Service    string
	By, Process, Note string
	Bytes             int64
	Edit              string // the page that allows it
}

// flows reads the end of the egress log, the newest first.
func (c *Console) flows(ctx context.Context, view *egressView) error {
	log, err := c.api.VMEgressLog(ctx, view.VM.Name, client.LogOptions{Tail: flowsRead})
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	in := client.NewEgressRecords(log)
	var records []api.EgressRecord
	for len(records) < flowsRead {
		record, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		records = append(records, record)
	}
	slices.Reverse(records)
	c.addFlows(view, records, len(records) == flowsRead)
	return nil
}

// addFlows puts records, the newest first, into rows; cut: there are older ones.
func (c *Console) addFlows(view *egressView, records []api.EgressRecord, cut bool) {
	closed, at := map[string]int{}, map[flow]int{}
	var rows []flowView
	for _, record := range records {
		if flowOver(closed, record) {
			continue
		}
		row, ok := c.viewFlow(view.vmFrame, record)
		if !ok {
			continue
		}
		i, known := at[flowOf(record)]
		if !known {
			row.AtLeast = cut
			i, rows = len(rows), append(rows, row)
			at[flowOf(record)] = i
		}
		_, times := denied.Repeats(record.Reason)
		rows[i].Times += times
		rows[i].Bytes += record.Sent + record.Received
	}
	for _, row := range rows {
		if row.Denied {
			view.Counts.Denied++
		} else {
			view.Counts.Allowed++
		}
		if len(view.Rows) < flowsShown && (view.Shown == "" || (view.Shown == "denied") == row.Denied) {
			view.Rows = append(view.Rows, row)
		}
	}
}

// flow is what records of one row have in common.
type flow struct {
	event, where, protocol string
	port                   int
	rule, reason           string
}

func flowOf(r api.EgressRecord) flow {
	reason, _ := denied.Repeats(r.Reason)
	return flow{event: r.Event, where: whereOf(r), protocol: r.Protocol, port: r.Port, rule: r.Rule, reason: reason}
}

// whereOf is the destination as the guest meant it.
func whereOf(r api.EgressRecord) string {
	asked, _, _ := strings.Cut(r.Asked, " ")
	return cmp.Or(r.Name, r.Said, asked, r.Address)
}

// flowOver reports whether a record is the beginning of a flow whose end was seen: records
// come the newest first.
func flowOver(closed map[string]int, r api.EgressRecord) bool {
	key := strings.Join([]string{r.Protocol, r.Name, r.Address, strconv.Itoa(r.Port)}, " ")
	switch r.Event {
	case "close":
		closed[key]++
	case "allow":
		if closed[key] > 0 {
			closed[key]--
			return true
		}
	}
	return false
}

// viewFlow is a record as a row; false: it is not one of a connection.
func (c *Console) viewFlow(f vmFrame, r api.EgressRecord) (row flowView, ok bool) {
	where := whereOf(r)
	row = flowView{
		Age: ageOf(c.now(), &r.Time), Where: plain.Line(where, maxCell), Service: r.Protocol, By: plain.Line(r.Rule, maxCell),
		Process: plain.Line(r.Process, maxCell), Word: "allowed", Icon: "check",
	}
	if r.Port > 0 {
		row.Service += "/" + strconv.Itoa(r.Port)
	}
	if r.Address != "" && r.Address != where {
		row.Note = r.Address
	}
	switch r.Event {
	case "deny", "dns":
		row.Denied, row.Word, row.Icon = true, "denied", "deny"
		if r.Event == "dns" {
			row.Service, row.Note = "", "the name was asked for"
		}
		if reason, _ := denied.Repeats(r.Reason); reason != "" {
			row.Note = plain.Line(reason, maxCell)
		}
		if d, ok := denied.Of(r); ok {
			row.Edit = f.Path() + "/egress?" + deniedQuery(d).Encode() + "#allow"
		}
	case "allow":
		row.Word = "open"
	case "close", "total":
	default:
		return row, false
	}
	return row, true
}

func number(n int) string { return strconv.Itoa(n) }
