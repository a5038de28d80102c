package cli

import (
	"strconv"
	"time"
)

func statusView(now time.Time) view[daemonStatus] {
	field := func(head string, get func(s daemonStatus) string) column[daemonStatus] {
		return column[daemonStatus]{head: head, cell: func(s daemonStatus) string {
			if s.Daemon == nil {
				return ""
			}
			return get(s)
		}}
	}
	return view[daemonStatus]{
		name: func(s daemonStatus) string { return s.Socket },
		fields: []column[daemonStatus]{
			{head: "running", cell: func(s daemonStatus) string {
				if s.Running {
					return "yes"
				}
				return "no"
			}},
			{head: "socket", cell: func(s daemonStatus) string { return s.Socket }},
			field("version", func(s daemonStatus) string {
				if s.SameBuild {
					return s.Daemon.Version
				}
				return s.Daemon.Version + " (a different build than this banger)"
			}),
			field("commit", func(s daemonStatus) string { return s.Daemon.Commit }),
			field("built", func(s daemonStatus) string { return timeText(&s.Daemon.BuiltAt) }),
			field("pid", func(s daemonStatus) string { return strconv.Itoa(s.Daemon.PID) }),
			field("uptime", func(s daemonStatus) string { return ageText(now, s.Daemon.StartedAt) }),
			field("state", func(s daemonStatus) string { return s.Daemon.StateDir }),
			field("driver", func(s daemonStatus) string { return s.Daemon.Driver }),
			field("names", func(s daemonStatus) string {
				switch {
				case s.Daemon.NamesProblem != "" && s.Daemon.Names != "":
					return ".vm at " + s.Daemon.Names + ": " + s.Daemon.NamesProblem
				case s.Daemon.NamesProblem != "":
					return "not answered: " + s.Daemon.NamesProblem
				case s.Daemon.Names == "":
					return "not answered"
				default:
					return ".vm at " + s.Daemon.Names
				}
			}),
			field("web", func(s daemonStatus) string {
				switch {
				case s.Daemon.Web == "" && s.Daemon.WebProblem == "":
					return "off"
				case s.Daemon.WebProblem == "":
					return s.Daemon.Web
				case s.Daemon.Web == "":
					return "off: " + s.Daemon.WebProblem
				default:
					return s.Daemon.Web + ": " + s.Daemon.WebProblem
				}
			}),
			field("vms", func(s daemonStatus) string {
				return strconv.Itoa(s.Daemon.VMs) + " (" + strconv.Itoa(s.Daemon.Running) + " running)"
			}),
			field("operations", func(s daemonStatus) string { return strconv.Itoa(s.Daemon.Busy) }),
			field("memory", func(s daemonStatus) string { return bytesText(s.Daemon.RSSBytes) }),
		},
	}
}
