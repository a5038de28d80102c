package cli

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/portspec"
)

func stateTint(v api.VM) string {
	switch v.State {
	case api.VMRunning:
		return "32"
	case api.VMFailed:
		return "31"
	case api.VMStopped:
		return "2"
	default:
		return "33"
	}
}

func vmView(now time.Time) view[api.VM] {
	return view[api.VM]{
		name: func(v api.VM) string { return v.Name },
		columns: []column[api.VM]{
			{head: "NAME", cell: func(v api.VM) string { return v.Name }},
			{head: "ID", cell: func(v api.VM) string { return idText(v.ID) }},
			{head: "STATE", cell: func(v api.VM) string { return v.State }, tint: stateTint},
			{head: "IMAGE", cell: func(v api.VM) string { return status.Image(&v) }},
			{head: "VCPU", cell: func(v api.VM) string { return strconv.Itoa(v.VCPU) }},
			{head: "MEMORY", cell: func(v api.VM) string { return bytesText(v.MemoryBytes) }},
			{head: "DISK", cell: func(v api.VM) string { return bytesText(v.DiskBytes) }},
			{head: "ADDRESS", cell: func(v api.VM) string { return v.Address }, optional: true},
			{head: "ATTENTION", cell: func(v api.VM) string { return attentionText(now, v.Attention) }, tint: func(v api.VM) string { return attentionTint(v.Attention) }, optional: true},
			{head: "WORKSPACE", cell: func(v api.VM) string { return workText(v.Workspace) }, optional: true},
			{head: "AGE", cell: func(v api.VM) string { return ageText(now, v.CreatedAt) }},
			{head: "HEALTH", optional: true, cell: func(v api.VM) string {
				if v.Health == nil {
					return ""
				}
				return v.Health.State
			}},
			{head: "REASON", cell: exitColumn, optional: true},
		},
		fields: vmFields(now),
	}
}

// exitColumn says why a failed VM ended.
func exitColumn(v api.VM) string {
	if v.State != api.VMFailed {
		return ""
	}
	return v.ExitReason
}

// snapshotsText says how many snapshots a VM has, and what they take.
func snapshotsText(v api.VM) string {
	if v.Snapshots == nil {
		return ""
	}
	return strconv.Itoa(v.Snapshots.Count) + " (" + bytesText(v.Snapshots.SizeBytes) + ")"
}

func vmFields(now time.Time) []column[api.VM] {
	return append([]column[api.VM]{
		{head: "name", cell: func(v api.VM) string { return v.Name }},
		{head: "id", cell: func(v api.VM) string { return v.ID }},
		{head: "state", cell: func(v api.VM) string { return v.State }, tint: stateTint},
		{head: "attention", cell: func(v api.VM) string { return attentionFull(now, v.Attention) }},
		{head: "exit reason", cell: func(v api.VM) string { return v.ExitReason }},
		{head: "exit message", cell: func(v api.VM) string { return v.ExitMessage }},
		{head: "exit hint", cell: func(v api.VM) string { return fault.FromWire(v.ExitHint, v.ExitHintParts).Word(cmdline.Line) }},
		{head: "image", cell: func(v api.VM) string { return strings.TrimSpace(status.Image(&v) + " (" + idText(v.ImageID) + ")") }},
		{head: "kernel", cell: func(v api.VM) string { return v.Kernel }},
		{head: "vcpu", cell: func(v api.VM) string { return strconv.Itoa(v.VCPU) }},
		{head: "memory", cell: func(v api.VM) string { return bytesText(v.MemoryBytes) }},
		{head: "disk", cell: func(v api.VM) string { return bytesText(v.DiskBytes) }},
		{head: "snapshots", cell: snapshotsText},
		{head: "driver", cell: func(v api.VM) string { return v.Driver }},
		{head: "nested", cell: func(v api.VM) string {
			if !v.Nested {
				return ""
			}
			return "the guest can run VMs with KVM"
		}},
		{head: "console", cell: func(v api.VM) string {
			if !v.Console {
				return ""
			}
			return "has a log on each driver"
		}},
		{head: "init", cell: func(v api.VM) string { return v.Init }},
		{head: "address", cell: func(v api.VM) string { return v.Address }},
		{head: "network", cell: networkText},
		{head: "egress", cell: func(v api.VM) string { return strings.TrimSpace(v.Egress) }},
		{head: "published", cell: publishedText},
		{head: "ports", cell: func(v api.VM) string { return v.Ports }},
		{head: "workspace", cell: func(v api.VM) string {
			if v.Workspace == nil {
				return ""
			}
			return v.Workspace.Path + " (from " + v.Workspace.Source + ")"
		}},
		{head: "changes", cell: func(v api.VM) string { return workText(v.Workspace) }},
		{head: "entrypoint", cell: func(v api.VM) string {
			if v.Entrypoint == "" {
				return ""
			}
			return "runs, restart policy " + v.Entrypoint
		}},
		{head: "health check", cell: func(v api.VM) string {
			if !v.NoHealthcheck {
				return ""
			}
			return "does not run"
		}},
		{head: "health", cell: healthText},
		{head: "health output", cell: func(v api.VM) string {
			if v.Health == nil {
				return ""
			}
			return v.Health.Output
		}},
		{head: "user", cell: func(v api.VM) string { return v.User }},
		{head: "environment", cell: func(v api.VM) string { return strings.Join(v.Env, "\n") }},
		{head: "labels", cell: labelsText},
		{head: "protected", cell: func(v api.VM) string {
			if !v.Protected {
				return ""
			}
			return "from deletion"
		}},
		{head: "created", cell: func(v api.VM) string { return timeText(&v.CreatedAt) }},
		{head: "started", cell: func(v api.VM) string { return timeText(v.StartedAt) }},
		{head: "stopped", cell: func(v api.VM) string { return timeText(v.StoppedAt) }},
		{head: "boot timeline", cell: func(v api.VM) string { return status.Boot(v.BootTimeline) }},
	}, runtimeFields()...)
}

func runtimeFields() []column[api.VM] {
	field := func(head string, get func(r *api.VMRuntime) string) column[api.VM] {
		return column[api.VM]{head: head, cell: func(v api.VM) string {
			if v.Runtime == nil {
				return ""
			}
			return get(v.Runtime)
		}}
	}
	return []column[api.VM]{
		field("ready", func(r *api.VMRuntime) string { return timeText(r.ReadyAt) }),
		field("phase", func(r *api.VMRuntime) string { return r.Phase }),
		field("guest init", func(r *api.VMRuntime) string { return r.GuestInit }),
		field("entrypoint state", entrypointText),
		field("boots", func(r *api.VMRuntime) string { return strconv.Itoa(r.Boots) }),
		field("agent", func(r *api.VMRuntime) string { return r.Agent }),
		field("monitor", func(r *api.VMRuntime) string {
			return strings.TrimSpace(r.Monitor + " (pid " + strconv.Itoa(r.MonitorPID) + ")")
		}),
		field("vmm", func(r *api.VMRuntime) string {
			if r.VMMPID == 0 {
				return ""
			}
			return "pid " + strconv.Itoa(r.VMMPID)
		}),
		field("vmm confinement", func(r *api.VMRuntime) string { return confinedText(r.Confinement) }),
		field("monitor confinement", func(r *api.VMRuntime) string { return confinedText(r.MonitorConfinement) }),
		field("warning", func(r *api.VMRuntime) string { return r.Warning }),
		field("notes", func(r *api.VMRuntime) string { return strings.Join(r.Notes, "\n") }),
	}
}

// healthText is what the image's health check says, on one line.
func healthText(v api.VM) string {
	h := v.Health
	if h == nil {
		return ""
	}
	text := h.State + " since " + timeText(&h.Since)
	if h.Failures > 0 {
		text += ", failures in a row: " + strconv.Itoa(h.Failures)
	}
	if h.ExitCode != 0 {
		text += ", last exit status: " + strconv.Itoa(h.ExitCode)
	}
	return text
}

// entrypointText is how the image's entrypoint is, on one line.
func entrypointText(r *api.VMRuntime) string {
	e := r.Entrypoint
	if e == nil {
		return ""
	}
	text := e.State + " since " + timeText(&e.Since)
	if e.Restarts > 0 {
		text += ", restarts: " + strconv.Itoa(e.Restarts)
	}
	switch {
	case e.Error != "":
		text += ", did not start: " + e.Error
	case e.State != "running" || e.Restarts > 0:
		text += ", last exit status: " + strconv.Itoa(e.ExitCode)
	}
	return text
}

// confinedText is one line for each thing that holds.
func confinedText(words string) string {
	if words == "" {
		return "no known confinement"
	}
	return strings.ReplaceAll(words, ", ", "\n")
}

func labelsText(v api.VM) string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(v.Labels)) {
		lines = append(lines, key+"="+v.Labels[key])
	}
	return strings.Join(lines, "\n")
}

func networkText(v api.VM) string {
	if v.GuestIP == "" {
		return v.Network
	}
	return v.Network + " (" + v.GuestIP + " in the VM)"
}

func publishedText(v api.VM) string {
	lines := make([]string, len(v.Publish))
	for i, p := range v.Publish {
		lines[i] = portspec.PublishText(p)
	}
	return strings.Join(lines, "\n")
}
