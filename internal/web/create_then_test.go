package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/api"
)

// working is a form with a workspace and a session.
func working() url.Values {
	return url.Values{"name": {"box"}, "path": {"/src/x y"}, "mode": {"full_copy"}, "scmd": {"npm test"}, "sname": {"tests"}}
}

// A workspace and a session are part of the create, as the command says.
func TestCreateWithWorkspaceAndSession(t *testing.T) {
	b := open(t)
	form := working()
	if to := b.send("/create", form); to != "/operations/op1" {
		t.Errorf("it leads to %s", to)
	}
	want := api.CreateVM{
		Name: new("box"), Workspace: &api.PrepareWorkspace{Path: "/src/x y", Mode: "full_copy"},
		Session: &api.StartSession{Name: "tests", TTY: true, Command: []string{"/bin/sh", "-c", "npm test"}},
	}
	got := api.CreateVM{Name: b.api.created.Name, Workspace: b.api.created.Workspace, Session: b.api.created.Session}
	if diff := cmp.Diff(want, got); diff != "" || !slices.Equal(b.api.calls, []string{"create"}) {
		t.Errorf("it did %q (-want +got):\n%s", b.api.calls, diff)
	}
	page, _ := b.do(http.MethodPost, "/command/create", form, http.StatusOK)
	wants(t, page, "banger vm create box && banger vm workspace prepare box '/src/x y' --mode full_copy && "+
		"banger vm session start box --name tests --workdir /root/repo --tty -- /bin/sh -c 'npm test'")
}

// The page of the operation leads to the session that it started.
func TestACreateLeadsToItsSession(t *testing.T) {
	b := open(t)
	if page := b.get("/operations/op1", http.StatusOK); strings.Contains(page, "/sessions/") {
		t.Error("it leads to a session before there is one")
	}
	b.api.result = []byte(`{"name":"web","started_session":{"name":"tests"}}`)
	if page := b.get("/operations/op1", http.StatusOK); !strings.Contains(page, `href="/vms/web/sessions/tests"`) {
		t.Error("it does not lead to the session")
	}
}

// Nothing is created where what is to follow cannot be done.
func TestCreateRefusesWhatCannotFollow(t *testing.T) {
	b := open(t)
	for field, bad := range map[string]string{"path": "src/x"} {
		form := working()
		form.Set(field, bad)
		form.Set("token", b.token())
		page, _ := b.do(http.MethodPost, "/create", form, http.StatusOK)
		if !strings.Contains(page, `value="npm test"`) || !strings.Contains(page, `role="alert"`) || len(b.api.calls) > 0 {
			t.Errorf("%s=%s: %v", field, bad, b.api.calls)
		}
	}
}

// The picker of the work tree leads back to the form as it was, without what is secret.
func TestCreateBrowses(t *testing.T) {
	b := open(t)
	form := working()
	form.Set("do", "browse")
	form.Set("memory", "3GiB")
	to := b.send("/create", form)
	target, err := url.Parse(to)
	if err != nil || target.Path != "/files" {
		t.Fatalf("it leads to %s: %v", to, err)
	}
	page := b.get(target.Query().Get("back"), http.StatusOK)
	for _, want := range []string{`value="3GiB"`, `value="npm test"`, `value="full_copy" selected`} {
		if !strings.Contains(page, want) {
			t.Errorf("the form has no %s", want)
		}
	}
	form.Set("env", "KEY=secret")
	page, _ = b.do(http.MethodPost, "/create", form, http.StatusOK)
	wants(t, page, "the environment is not taken")
}

// What the new VM takes of the host is current, and said where it is more than there is.
func TestCreateTakes(t *testing.T) {
	b := open(t)
	wants(t, b.get("/create", http.StatusOK), "2 of 4 CPUs", "2 given to VMs that run", "512 MiB of 8 GiB")
	form := url.Values{"vcpu": {"3"}, "memory": {"7GiB"}, "part": {"1"}, "token": {b.token()}}
	part, _ := b.do(http.MethodPost, "/command/create", form, http.StatusOK)
	wants(t, part, "banger vm create --vcpu 3 --memory 7GiB", "VMs share CPUs", "More than is free now")
	for _, want := range []string{`id="create-takes" data-current`, `width="25.0"`, `aria-label="Memory: 25 % in use, up to 100 % with this VM"`} {
		if !strings.Contains(part, want) {
			t.Errorf("no %s in %s", want, part)
		}
	}
	form.Set("vcpu", "four")
	part, _ = b.do(http.MethodPost, "/command/create", form, http.StatusOK)
	if strings.Contains(part, "of 4 CPUs") {
		t.Error("it shows vCPUs that cannot be read")
	}
}
