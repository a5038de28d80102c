package server_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

type hostFake struct{}

func (hostFake) Config(context.Context) api.Config {
	return api.Config{File: "/etc/x", Settings: []api.Setting{{Key: "vm.vcpu", Value: "2", TOML: "2", Env: "BANGER_VCPU", Source: "config.toml", Side: "a new VM", Doc: "number of vCPUs"}}}
}

func (hostFake) Doctor(context.Context) api.DoctorReport {
	check := api.DoctorCheck{Name: "kernel", Status: "warn", Reason: "none"}
	check.Remedy, check.RemedyParts = fault.Hintf("try %s", act.KernelList.Do()).Wire()
	return api.DoctorReport{Status: "warn", Checks: []api.DoctorCheck{check}}
}

func TestTheHostByTheAPI(t *testing.T) {
	f := start(t)
	cfg, err := f.client.Config(t.Context())
	if diff := cmp.Diff(hostFake{}.Config(t.Context()), cfg); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	report, err := f.client.Doctor(t.Context())
	if err != nil || report.Status != "warn" || len(report.Checks[0].RemedyParts) != 2 {
		t.Errorf("%+v, %v", report, err)
	}
}
