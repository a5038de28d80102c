package api_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/api"
)

// The words that clients compare with are those that the description of the API names.
func TestWordsAreThoseOfTheDescription(t *testing.T) {
	for _, c := range []struct {
		of    any
		field string
		words []string
	}{
		{api.VM{}, "State", api.VMStates()},
		{api.VM{}, "Network", []string{api.NetworkUser, api.NetworkNone}},
		{api.Operation{}, "State", []string{api.OperationRunning, api.OperationSucceeded, api.OperationFailed, api.OperationCanceled}},
		{api.Stage{}, "State", []string{api.StageRunning, api.StageDone, api.StageFailed}},
		{api.Session{}, "State", []string{api.SessionStarting, api.SessionRunning, api.SessionExited, api.SessionFailed, api.SessionLost}},
		{api.Session{}, "Mode", []string{api.SessionPipe, api.SessionTTY}},
		{api.Attention{}, "State", []string{api.AttentionNeedsInput, api.AttentionWorking, api.AttentionIdle, api.AttentionDone}},
		{api.Attention{}, "Why", []string{"", api.WhyQuestion, api.WhyApproval, api.WhyError, api.WhyStopped, api.WhyKilled, api.WhyLost}},
		{api.Workspace{}, "State", []string{api.WorkspaceClean, api.WorkspaceChanged, api.WorkspaceUnknown}},
		{api.Forward{}, "Proto", []string{api.ProtoTCP, api.ProtoUDP, api.ProtoUnix}},
	} {
		field, ok := reflect.TypeOf(c.of).FieldByName(c.field)
		if !ok {
			t.Fatalf("%T has no %s", c.of, c.field)
		}
		if diff := cmp.Diff(strings.Split(field.Tag.Get("enum"), ","), c.words); diff != "" {
			t.Errorf("%T.%s: %s", c.of, c.field, diff)
		}
	}
}
