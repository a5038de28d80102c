package web

import (
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/api"
)

func TestAnOperationLeadsOn(t *testing.T) {
	made := func(text string) []byte { return []byte(text) }
	session := made(`{"name":"web","started_session":{"name":"agent"}}`)
	for _, c := range []struct {
		kind, state string
		result      []byte
		want        string
	}{
		{"vm.create", api.OperationSucceeded, made(`{"name":"web"}`), "/vms/web /"},
		{"vm.create", api.OperationSucceeded, session, "/vms/web/sessions/agent /vms/web /"},
		{"vm.create", api.OperationFailed, nil, "/ /operations"},
		{"vm.delete", api.OperationSucceeded, nil, "/"},
		{"vm.delete", api.OperationFailed, nil, "/vms/web /"},
		{"vm.start", api.OperationCanceled, nil, "/vms/web /"},
		{"vm.commit", api.OperationSucceeded, nil, "/images /vms/web"},
		{"workspace.export", api.OperationSucceeded, nil, "/vms/web/workspace?op=op1 /vms/web"},
		{"workspace.prepare", api.OperationSucceeded, nil, "/vms/web/workspace /vms/web"},
		{"image.pull", api.OperationSucceeded, nil, "/create?image=web /images"},
		{"image.pull", api.OperationFailed, nil, "/images"},
		{"kernel.pull", api.OperationSucceeded, nil, "/kernels"},
		{"system.prune", api.OperationSucceeded, nil, "/images"},
		{"other.one", api.OperationSucceeded, nil, "/operations"},
	} {
		var paths []string
		for _, next := range nextAfter(api.Operation{ID: "op1", Kind: c.kind, Subject: "web", State: c.state, Result: c.result}) {
			paths = append(paths, next.Path)
		}
		if got := strings.Join(paths, " "); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.kind, c.state, got, c.want)
		}
	}
}
