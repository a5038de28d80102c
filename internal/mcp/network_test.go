package mcp

import (
	"context"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

func (f *fake) VMPorts(_ context.Context, vm string) ([]api.Port, error) {
	return []api.Port{
		{Proto: "tcp", Address: "127.128.1.1", Port: 8080, Endpoint: "box.vm:8080", URL: "http://box.vm:8080", GuestPort: 8080, Listening: true, Process: "node"},
		{Proto: "tcp", GuestPort: 80, Problem: "taken"},
	}, f.find(vm)
}

func (f *fake) VMEgress(_ context.Context, vm string) (api.Egress, error) {
	return api.Egress{Policy: "default deny\nallow a.example\n", Default: "deny", Rules: []string{"allow a.example"}}, f.find(vm)
}

// VMEgressLog is of a thousand flows, of which each hundredth was denied.
func (f *fake) VMEgressLog(_ context.Context, vm string, opts client.LogOptions) (io.ReadCloser, error) {
	var lines []string
	for i := range 1000 {
		event := "allow"
		if i%100 == 0 {
			event = "deny"
		}
		lines = append(lines, `{"event":"`+event+`","port":`+strconv.Itoa(i)+`}`)
	}
	if opts.Tail >= 0 {
		lines = lines[len(lines)-opts.Tail:]
	}
	return io.NopCloser(strings.NewReader(strings.Join(lines, "\n"))), f.find(vm)
}

func TestNetworkTools(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	ports := get[vmPortsResult](t, s, "vm_ports", object{"vm": "box"}).Ports
	if len(ports) != 2 || ports[0].URL != "http://box.vm:8080" || ports[0].Process != "node" || ports[1].Problem != "taken" {
		t.Errorf("%+v", ports)
	}
	if got := get[vmEgressResult](t, s, "vm_egress", object{"vm": "box"}); got.Default != "deny" || got.Rules[0] != "allow a.example" {
		t.Errorf("%+v", got)
	}
	if got := get[vmEgressLogResult](t, s, "vm_egress_log", object{"vm": "box"}).Records; len(got) != 50 || got[49].Port != 999 {
		t.Errorf("%d records: %+v", len(got), got)
	}
	denied := get[vmEgressLogResult](t, s, "vm_egress_log", object{"vm": "box", "denied": true, "limit": 3}).Records
	if len(denied) != 3 || denied[0].Port != 700 || denied[2].Port != 900 {
		t.Errorf("%+v", denied)
	}
	for _, tool := range []string{"vm_ports", "vm_egress", "vm_egress_log"} {
		if p := refused(t, s, tool, object{"vm": "none"}); p.Code != "not_found" {
			t.Errorf("%s: %+v", tool, p)
		}
	}
}

func TestVMCreateNetwork(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	get[VM](t, s, "vm_create", object{"egress": "packages", "publish": []object{{"guest_port": 80}, {"guest_port": 53, "host_port": 5353, "proto": "udp"}}})
	req := f.created[0]
	if req.Network != nil || *req.Egress != "packages" || req.Publish[1] != (api.Publish{Proto: "udp", HostPort: 5353, GuestPort: 53}) || req.Publish[0].GuestPort != 80 {
		t.Errorf("%+v", req)
	}
}
