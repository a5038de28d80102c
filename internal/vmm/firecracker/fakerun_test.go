package firecracker

import (
	"os"
	"reflect"
	"strings"
	"syscall"
)

// networkInterface knows the MTU from 1.16 on.
func (f *fakeAPI) networkInterface(id string, body []byte) reply {
	type common struct {
		ID  *string `json:"iface_id" need:"y"`
		TAP *string `json:"host_dev_name" need:"y"`
		MAC *string `json:"guest_mac"`
	}
	var into any = &struct {
		common
		MTU *uint16 `json:"mtu"`
	}{}
	if v, _ := parseVersion(f.version); v.before(version{1, 16, 0}) {
		into = &struct{ common }{}
	}
	return f.device(id, body, into, func(fields map[string]any) reply {
		if tap, _ := fields["host_dev_name"].(string); len(tap) > 15 {
			return bad("Network config error: Cannot open/create the tap device: Invalid interface name")
		}
		return done
	})
}

func (f *fakeAPI) action(body []byte) reply {
	var a struct {
		Type *string `json:"action_type" need:"y"`
	}
	if r, ok := decode(body, &a); !ok {
		return r
	}
	running := f.phase != "Not started"
	switch *a.Type {
	case "InstanceStart":
		switch {
		case running:
			return onlyBefore
		case !f.booted["boot-source"]:
			return bad("Start microvm error: Cannot start microvm without kernel configuration.")
		}
		if f.start != nil {
			if err := f.start(f.vsock); err != nil {
				return bad("Start microvm error: %v", err)
			}
		}
		f.phase = "Running"
	case "SendCtrlAltDel":
		if !running {
			return onlyAfter
		}
		f.press()
	case "FlushMetrics":
		if !running {
			return onlyAfter
		}
		if f.counts != nil {
			_, _ = f.counts.WriteString(`{"utc_timestamp_ms":1,"balloon":{"free_page_report_freed":4096},"block":{"execute_fails":0,"flush_count":1,"invalid_reqs_count":0,"read_bytes":512,"read_count":1,"write_bytes":1024,"write_count":2},"block_disk0":{"read_bytes":512}}` + "\n")
		}
	default:
		return bad("An error occurred when deserializing the json body of a request: unknown variant `%s`, expected one of `FlushMetrics`, `InstanceStart`, `SendCtrlAltDel`", *a.Type)
	}
	return done
}

// metricsLimits opens the file as Firecracker does, once.
func (f *fakeAPI) metricsLimits(fields map[string]any) reply {
	path, _ := fields["metrics_path"].(string)
	if f.counts != nil {
		return bad("Metrics error: Reinitialization of metrics not allowed.")
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return bad("Metrics error: %v", err)
	}
	f.counts = file
	return done
}

func (f *fakeAPI) setState(body []byte) reply {
	var s struct {
		State *string `json:"state" need:"y"`
	}
	if r, ok := decode(body, &s); !ok {
		return r
	}
	if f.phase == "Not started" {
		return onlyAfter
	}
	if *s.State != statePaused && *s.State != stateResumed {
		return bad("An error occurred when deserializing the json body of a request: unknown variant `%s`, expected `Paused` or `Resumed`", *s.State)
	}
	f.phase = map[string]string{statePaused: "Paused", stateResumed: "Running"}[*s.State]
	f.state(f.phase == "Paused")
	return done
}

// required is the first field that must be there and is not.
func required(v reflect.Value) string {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous {
			if missing := required(v.Field(i)); missing != "" {
				return missing
			}
			continue
		}
		if field.Tag.Get("need") != "" && v.Field(i).IsNil() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			return name
		}
	}
	return ""
}
