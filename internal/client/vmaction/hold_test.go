package vmaction_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/vmaction"
)

func TestHoldsAsRequests(t *testing.T) {
	one := []string{"allow a.example"}
	for id, want := range map[string]api.AddEgress{
		"vm": {Rules: one}, "once": {Rules: one, ForSeconds: 600}, "always": {Rules: one, Always: true}, "": {Rules: one},
	} {
		if diff := cmp.Diff(want, vmaction.FindHold(id).Added("allow a.example")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", id, diff)
		}
	}
}
