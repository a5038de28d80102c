package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// working is a form with a workspace and a session.
func working() url.Values {
	return url.Values{"name": {"box"}, "path": {"/src/x y"}, "mode": {"full_copy"}, "scmd": {"npm test"}, "sname": {"tests"}}
}

// untilPage reads a page until it has what is wanted.
func (b *browser) untilPage(path, want string) (page string) {
	b.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		if page = b.get(path, http.StatusOK); strings.Contains(page, want) {
			return page
		}
		if time.Now().After(end) {
			b.t.Fatalf("%s does not come to say %q:\n%s", path, want, page)
		}
	}
}

// A workspace and a session follow the create, in this order, as the command says.
func TestCreateWithWorkspaceAndSession(t *testing.T) {
	b := open(t)
	form := working()
	if to := b.send("/create", form); to != "/operations/op1" {
		t.Errorf("it leads to %s", to)
	}
	page := b.untilPage("/operations/op1", `href="/vms/web/sessions/agent"`)
	wants(t, page, "Copy /src/x y to it", "Start a session:")
	if want := []string{"create", "prepare web /src/x y", "session web /bin/sh -c npm test"}; !slices.Equal(b.api.calls, want) {
		t.Errorf("it did %q, want %q", b.api.calls, want)
	}
	page, _ = b.do(http.MethodPost, "/command/create", form, http.StatusOK)
	wants(t, page, "banger vm create box && banger vm workspace prepare box '/src/x y' --mode full_copy && "+
		"banger vm session start box --name tests --workdir /root/repo --tty -- /bin/sh -c 'npm test'")
}

// What follows a create that failed is not done, and the page says why.
func TestCreateFailsAndNothingFollows(t *testing.T) {
	b := open(t)
	b.api.waitErr = fault.New(fault.Conflict, "no room")
	b.send("/create", working())
	wants(t, b.untilPage("/operations/op1", "the VM was not created"), "no room", "not done")
	if want := []string{"create"}; !slices.Equal(b.api.calls, want) {
		t.Errorf("it did %q, want %q", b.api.calls, want)
	}
}

// Nothing is created where what is to follow cannot be done.
func TestCreateRefusesWhatCannotFollow(t *testing.T) {
	b := open(t)
	for field, bad := range map[string]string{"path": "src/x", "nostart": "yes", "wait": "none"} {
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
