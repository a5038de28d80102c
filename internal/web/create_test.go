package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// filled is a form with a value in each field, and the command that does the same.
func filled() (form url.Values, command string, req api.CreateVM) {
	form = url.Values{
		"name": {"box"}, "image": {"node:22"}, "kernel": {"k1"}, "vcpu": {"4"}, "memory": {"2GiB"}, "disk": {"8GiB"}, "driver": {"qemu-tcg"},
		"egress": {"custom"}, "policy": {"default deny\r\nallow example.org"}, "publish": {"8080:80 53:53/udp"}, "ports": {"none"}, "network": {"user"},
		"env": {"A=b c\r\n\r\nD=e"}, "labels": {"team=x"}, "entrypoint": {"yes"}, "restart": {"always"}, "nested": {"yes"}, "wait": {"port:80"}, "init": {"agent"},
		"platform": {"linux/amd64"}, "console": {"true"}, "nohealthcheck": {"yes"},
	}
	command = "banger vm create box --image node:22 --platform linux/amd64 --kernel k1 --vcpu 4 --memory 2GiB --driver qemu-tcg --init agent " +
		"--egress 'default deny; allow example.org' --ports none --publish 8080:80 --publish 53:53/udp --env 'A=b c' --env D=e --label team=x " +
		"--entrypoint --restart-policy always --no-healthcheck --nested --console=true --wait port:80"
	req = api.CreateVM{
		Name: new("box"), Image: new("node:22"), Kernel: new("k1"), VCPU: new(4), MemoryBytes: new(int64(2 << 30)), Driver: new("qemu-tcg"),
		Egress: new("default deny\nallow example.org"), Ports: new("none"), Init: new("agent"), Nested: true, Entrypoint: new("always"),
		Publish: []api.Publish{{Proto: "tcp", HostPort: 8080, GuestPort: 80}, {Proto: "udp", HostPort: 53, GuestPort: 53}},
		Env:     []string{"A=b c", "D=e"}, Labels: map[string]string{"team": "x"}, Wait: "port:80", Platform: "linux/amd64", Console: new(true), NoHealthcheck: true,
	}
	return form, command, req
}

// The form, and the command below it, do the same.
func TestCreate(t *testing.T) {
	b := open(t)
	form, command, want := filled()
	if to := b.send("/create", form); to != "/operations/op1" {
		t.Errorf("it leads to %s", to)
	}
	if diff := cmp.Diff(want, b.api.created); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	form.Set("egress", "custom")
	form.Set("token", b.token())
	part, _ := b.do(http.MethodPost, "/command/create", form, http.StatusOK)
	wants(t, part, command)
	form.Set("do", "show")
	page, _ := b.do(http.MethodPost, "/create", form, http.StatusOK)
	wants(t, page, command)
	if len(b.api.calls) != 1 {
		t.Errorf("showing the command did %v", b.api.calls)
	}
}

// What is as configured is left to the daemon, which may be configured otherwise by then.
func TestCreateWithDefaults(t *testing.T) {
	b := open(t)
	b.send("/create", url.Values{"image": {"debian"}, "vcpu": {"2"}, "memory": {"512MiB"}, "disk": {"8GiB"}, "egress": {"all"}, "ports": {"all"}, "network": {"user"}, "init": {"auto"}, "wait": {"ready"}, "restart": {"no"}})
	if diff := cmp.Diff(api.CreateVM{Wait: "ready"}, b.api.created); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	wants(t, b.get("/create", http.StatusOK), "banger vm create", "As web", "512MiB, default")
	if page := b.get("/create?as=web", http.StatusOK); !strings.Contains(page, `value="1GiB"`) {
		t.Error("the memory of web is not taken over")
	}
}

// Each field that is wrong is marked, with its message beside it; the summary has the focus and leads
// to all of them. What was typed stays, and nothing is done.
func TestAllThatIsWrongWithAFormIsShown(t *testing.T) {
	b := open(t)
	bad := url.Values{
		"name": {"Web"}, "vcpu": {"four"}, "memory": {"lots"}, "disk": {"-1"}, "publish": {"x"}, "path": {"src"}, "scmd": {"make"}, "sname": {"a b"},
		"egress": {"custom"}, "policy": {"alow any"}, "env": {"NOVALUE"}, "labels": {"-=x"}, "token": {b.token()},
	}
	page, _ := b.do(http.MethodPost, "/create", bad, http.StatusOK)
	for _, field := range []string{"name", "vcpu", "memory", "disk", "publish", "path", "sname", "policy", "env", "labels"} {
		for _, want := range []string{`<li><a href="#` + field + `">`, `id="` + field + `-p"`, `aria-invalid="true" aria-describedby="` + field + `-p`} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: there is no %s", field, want)
			}
		}
		if field != "policy" && !strings.Contains(page, bad.Get(field)) {
			t.Errorf("%s: what was typed is gone", field)
		}
	}
	wants(t, page, "10 fields are not as they must be. Nothing was done.", "alow any")
	if !strings.Contains(page, `role="alert" id="wrong" tabindex="-1" autofocus`) || len(b.api.calls) > 0 {
		t.Errorf("the summary has no focus, or it did %v", b.api.calls)
	}
	taken := url.Values{"name": {"web"}, "vcpu": {"9"}, "token": {b.token()}}
	page, _ = b.do(http.MethodPost, "/create", taken, http.StatusOK)
	wants(t, page, `a VM named "web" already exists`, "vcpu 9 is more than this host's 4 CPUs")
	good := b.get("/create", http.StatusOK)
	if strings.Contains(good, "aria-invalid") || strings.Contains(good, "autofocus") {
		t.Error("a form that nobody sent is wrong")
	}
}

func TestCreateKeepsWhatWasTyped(t *testing.T) {
	b := open(t)
	b.api.err = fault.New(fault.Conflict, "no image debain").WithHint("banger image ls")
	page, _ := b.do(http.MethodPost, "/create", url.Values{"name": {"box"}, "egress": {"all"}, "policy": {"allow a.example"}, "token": {b.token()}}, http.StatusOK)
	wants(t, page, "no image debain", "banger image ls", "conflict", "allow a.example")
	if !strings.Contains(page, `value="box"`) {
		t.Error("the name is gone")
	}
	page, _ = b.do(http.MethodPost, "/create", url.Values{"egress": {"custom"}, "policy": {" "}, "token": {b.token()}}, http.StatusOK)
	if wants(t, page, "there are no rules"); len(b.api.calls) != 1 {
		t.Errorf("own rules that are none are the configured ones: %v", b.api.calls)
	}
}

func TestDoctorAndSettings(t *testing.T) {
	b := open(t)
	page := b.get("/doctor", http.StatusOK)
	wants(t, page, "1 check failed", "see banger kernel list")
	if strings.Index(page, ">vmm<") > strings.Index(page, ">fine<") {
		t.Error("what failed is not first")
	}
	wants(t, b.get("/settings", http.StatusOK), "vm.memory", "512MiB")
	if !strings.Contains(b.get("/", http.StatusOK), "data-keys") {
		t.Error("single keys are off")
	}
	b.send("/keys", url.Values{"keys": {"off"}})
	if strings.Contains(b.get("/", http.StatusOK), "data-keys") {
		t.Error("single keys are on")
	}
}
