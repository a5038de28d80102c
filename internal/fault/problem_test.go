package fault_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

func TestAProblemIsTheFaultAgain(t *testing.T) {
	for _, want := range []*fault.Error{
		fault.New(fault.Conflict, "it runs").WithHint("wait"),
		fault.New(fault.NotFound, "no VM").Try(act.VMStart.On("web")),
		fault.New(fault.Internal, "it is broken"),
	} {
		data, err := json.Marshal(fault.ProblemOf(want))
		if err != nil {
			t.Fatal(err)
		}
		var p fault.Problem
		if err := json.Unmarshal(data, &p); err != nil {
			t.Fatal(err)
		}
		if got := p.Fault(); got.Code != want.Code || got.Message != want.Message || !reflect.DeepEqual(got.Hint, want.Hint) {
			t.Errorf("%+v became %+v by %s", want, got, data)
		}
	}
}

func TestAProblemsMessageIsBounded(t *testing.T) {
	if p := fault.ProblemOf(errors.New(strings.Repeat("x", 1<<20))); len(p.Message) > fault.MaxText || p.Code != string(fault.Internal) {
		t.Errorf("%d bytes, code %s", len(p.Message), p.Code)
	}
}
