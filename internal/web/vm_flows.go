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
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// The bounds of the egress log on a page.
const (
	flowsRead  = 1000 // records, from the end
	flowsShown = 200
	maxCell    = 300 // bytes of a text
)

// flowView is a row of the egress log.
type flowView struct {
	Age               age
	Denied            bool
	Word, Icon        string
	Where, Service    string
	By, Process, Note string
	Bytes             string
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
	closed := map[string]int{}
	for _, record := range records {
		if flowOver(closed, record) {
			continue
		}
		row, ok := c.viewFlow(view.vmFrame, record)
		if !ok {
			continue
		}
		view.Counts.All++
		if row.Denied {
			view.Counts.Denied++
		} else {
			view.Counts.Allowed++
		}
		if len(view.Rows) < flowsShown && (view.Shown == "" || (view.Shown == "denied") == row.Denied) {
			view.Rows = append(view.Rows, row)
		}
	}
	return nil
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
	asked, _, _ := strings.Cut(r.Asked, " ")
	where := cmp.Or(r.Name, r.Said, asked, r.Address)
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
		if r.Reason != "" {
			row.Note = plain.Line(r.Reason, maxCell)
		}
		if d, ok := denied.Of(r); ok {
			row.Edit = f.Path() + "/egress?" + deniedQuery(d).Encode() + "#allow"
		}
	case "allow":
		row.Word = "open"
	case "close", "total":
		row.Bytes = fault.Bytes(r.Sent + r.Received)
	default:
		return row, false
	}
	return row, true
}

func number(n int) string { return strconv.Itoa(n) }
