package cli

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/api"
)

func imageView(now time.Time) view[api.Image] {
	return view[api.Image]{name: imageName, columns: imageColumns(now), fields: imageFields()}
}

// imageName is how a command names the image.
func imageName(i api.Image) string { return cmp.Or(i.Name, i.ID) }

func imageColumns(now time.Time) []column[api.Image] {
	// What is not known of a damaged image is said to be so.
	known := func(i api.Image, text, none string) string {
		if text == "" && i.Damaged {
			return "<unknown>"
		}
		return cmp.Or(text, none)
	}
	return []column[api.Image]{
		{head: "NAME", cell: func(i api.Image) string {
			if i.Ref != "" {
				return cmp.Or(i.Name, "<none>")
			}
			return known(i, i.Name, "<none>")
		}},
		{head: "ID", cell: func(i api.Image) string { return idText(i.ID) }},
		{head: "REF", cell: func(i api.Image) string { return known(i, i.Ref, "") }},
		{head: "ARCH", cell: func(i api.Image) string { return known(i, i.Architecture, "") }},
		{head: "STATUS", cell: func(i api.Image) string {
			switch {
			case i.Damaged:
				return "damaged"
			case i.Foreign:
				return "not bootable here"
			}
			return "ready"
		}},
		{head: "SIZE", cell: func(i api.Image) string { return bytesText(i.DiskUsage) }},
		{head: "VMS", cell: func(i api.Image) string { return strconv.Itoa(i.VMs) }},
		{head: "AGE", cell: func(i api.Image) string {
			if i.CreatedAt.IsZero() {
				return "<unknown>"
			}
			return ageText(now, i.CreatedAt)
		}},
	}
}

func imageFields() []column[api.Image] {
	return []column[api.Image]{
		{head: "name", cell: func(i api.Image) string { return i.Name }},
		{head: "id", cell: func(i api.Image) string { return i.ID }},
		{head: "ref", cell: func(i api.Image) string { return i.Ref }},
		{head: "file", cell: func(i api.Image) string { return i.External }},
		{head: "problem", cell: func(i api.Image) string { return i.Problem }},
		{head: "digest", cell: func(i api.Image) string { return i.Digest }},
		{head: "platform", cell: func(i api.Image) string { return strings.Trim(i.OS+"/"+i.Architecture+"/"+i.Variant, "/") }},
		{head: "size", cell: func(i api.Image) string {
			return bytesText(i.RootfsBytes) + " (" + bytesText(i.DiskUsage) + " on disk)"
		}},
		{head: "entrypoint", cell: func(i api.Image) string { return strings.Join(i.Entrypoint, " ") }},
		{head: "command", cell: func(i api.Image) string { return strings.Join(i.Cmd, " ") }},
		{head: "environment", cell: func(i api.Image) string { return strings.Join(i.Env, "\n") }},
		{head: "directory", cell: func(i api.Image) string { return i.WorkingDir }},
		{head: "user", cell: func(i api.Image) string { return i.User }},
		{head: "stop signal", cell: func(i api.Image) string { return i.StopSignal }},
		{head: "exposed ports", cell: func(i api.Image) string { return strings.Join(i.ExposedPorts, " ") }},
		{head: "volumes", cell: func(i api.Image) string { return strings.Join(i.Volumes, " ") }},
		{head: "health check", cell: healthCheckText},
		{head: "kernel", cell: func(i api.Image) string {
			if i.OwnKernel {
				return i.Kernel + " (the image's own copy)"
			}
			return i.Kernel
		}},
		{head: "disk", cell: func(i api.Image) string {
			if i.DiskBytes == 0 {
				return ""
			}
			return bytesText(i.DiskBytes)
		}},
		{head: "vms", cell: func(i api.Image) string { return strconv.Itoa(i.VMs) }},
		{head: "created", cell: func(i api.Image) string {
			if i.CreatedAt.IsZero() {
				return ""
			}
			return timeText(&i.CreatedAt)
		}},
	}
}

func healthCheckText(i api.Image) string {
	if len(i.HealthCheck) == 0 {
		return ""
	}
	every := time.Duration(i.HealthEvery) * time.Millisecond
	return strings.Join(i.HealthCheck, " ") + " (every " + every.String() + ")"
}
