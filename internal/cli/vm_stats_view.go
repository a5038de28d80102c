package cli

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/plain"
)

func usageView() view[client.Usage] {
	return view[client.Usage]{
		name: func(u client.Usage) string { return u.Name },
		columns: []column[client.Usage]{
			{head: "NAME", cell: func(u client.Usage) string { return u.Name }},
			{head: "CPU", cell: func(u client.Usage) string {
				if u.CPUPercent == nil {
					return "-"
				}
				return fmt.Sprintf("%.1f%%", *u.CPUPercent)
			}},
			{head: "VCPU", cell: func(u client.Usage) string { return strconv.Itoa(u.VCPU) }},
			{head: "HOST MEM", cell: func(u client.Usage) string { return bytesText(u.HostMemoryBytes + u.MonitorBytes) }},
			{head: "GUEST MEM", cell: func(u client.Usage) string {
				if u.GuestMemoryTotal == 0 {
					return "-"
				}
				return bytesText(u.GuestMemoryTotal-u.GuestMemoryAvail) + "/" + bytesText(u.GuestMemoryTotal)
			}},
			{head: "DISK", cell: func(u client.Usage) string { return bytesText(u.DiskUsageBytes) }},
			{head: "READ/S", cell: func(u client.Usage) string { return rateText(u.DiskReadRate) }},
			{head: "WRITE/S", cell: func(u client.Usage) string { return rateText(u.DiskWriteRate) }},
			{head: "NET IN/S", cell: func(u client.Usage) string { return rateText(u.NetInRate) }},
			{head: "NET OUT/S", cell: func(u client.Usage) string { return rateText(u.NetOutRate) }},
			{head: "FLOWS", cell: func(u client.Usage) string { return strconv.Itoa(u.Flows) }},
			{head: "DENIED", cell: func(u client.Usage) string { return strconv.FormatInt(u.FlowsDenied, 10) }},
		},
	}
}

func rateText(rate *float64) string {
	if rate == nil {
		return "-"
	}
	return bytesText(int64(*rate))
}

// canRedraw reports whether stdout is a terminal that can be drawn over.
func (a *App) canRedraw() bool { return isTerminal(a.Out) && a.getenv("TERM") != "dumb" }

// statsFrame is a table that fits the terminal: a line that wrapped could not be
// drawn over.
func (a *App) statsFrame(shown []client.Usage) (text string, lines int) {
	width, height, err := term.GetSize(int(a.Out.Fd()))
	if err != nil || width < 8 || height < 2 {
		width, height = 80, 24
	}
	table := usageLines(shown, width)
	table = table[:min(len(table), height-1)]
	for i, line := range table {
		table[i] = plain.Columns(line, width)
	}
	return strings.Join(table, "\n") + "\n", len(table)
}

// usageLines is the table without the columns that do not fit.
func usageLines(shown []client.Usage, width int) []string {
	for columns := usageView().columns; ; columns = columns[:len(columns)-1] {
		table := strings.Split(strings.TrimSuffix(renderTable(shown, columns, false), "\n"), "\n")
		if len(columns) <= 2 || utf8.RuneCountInString(table[0]) <= width {
			return table
		}
	}
}
