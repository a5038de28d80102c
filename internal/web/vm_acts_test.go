package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/api"
)

// What ends or destroys something is asked about by name, and then does no more.
func TestActionsThatLoseSomethingAsk(t *testing.T) {
	b := open(t)
	for do, loses := range map[string]string{"stop": "1 running session", "restart": "1 running session", "kill": "what the guest has not written to its disk"} {
		if to := b.send("/vms/web", url.Values{"do": {do}}); to != "/vms/web/"+do || len(b.api.calls) > 0 {
			t.Errorf("%s leads to %s after %v", do, to, b.api.calls)
		}
		wants(t, b.get("/vms/web/"+do, http.StatusOK), loses, "banger vm "+do+" web")
		if to := b.send("/vms/web/"+do, url.Values{"id": {"1"}, "alive": {"yes"}}); !strings.HasPrefix(to, "/vms/web?did=") {
			t.Errorf("%s leads to %s", do, to)
		}
		if got := strings.Join(b.api.calls, ", "); got != do+" 1" {
			t.Errorf("%s did %q", do, got)
		}
		b.api.calls = nil
	}
}

func TestResetAsksForTheName(t *testing.T) {
	b := open(t)
	wants(t, b.get("/vms/web/reset", http.StatusOK), "all changes to its system", "7 changed files in the workspace", "banger vm reset --discard-work web")
	body, _ := b.do(http.MethodPost, "/vms/web/reset", url.Values{"token": {b.token()}, "id": {"1"}, "alive": {"yes"}, "work": {"yes"}}, http.StatusOK)
	if wants(t, body, "Type web to go on"); len(b.api.calls) > 0 {
		t.Errorf("without the name it did %v", b.api.calls)
	}
	b.send("/vms/web/reset", url.Values{"name": {"web"}, "id": {"1"}, "alive": {"yes"}, "work": {"yes"}})
	if got := strings.Join(b.api.calls, ", "); got != "reset 1 discard=true" {
		t.Error(got)
	}
}

// Work that came, and a start, after the page was shown are not lost by what it says.
func TestWhatCameAfterThePageIsNotLost(t *testing.T) {
	b := open(t)
	b.send("/vms/web/delete", url.Values{"name": {"web"}, "id": {"1"}})
	if got := strings.Join(b.api.calls, ", "); got != "delete 1" {
		t.Errorf("it did %s", got)
	}
	b.do(http.MethodPost, "/vms/web/delete", url.Values{"token": {b.token()}, "name": {"web"}, "id": {"2"}}, http.StatusConflict)
	if len(b.api.calls) > 1 {
		t.Errorf("another VM of this name was deleted: %v", b.api.calls)
	}
}

func TestMarkedVMsAskTogether(t *testing.T) {
	b := open(t)
	b.api.besides = []api.Event{b.api.another("2", "other")}
	form := url.Values{"token": {b.token()}, "do": {"stop"}, "vm": {"1", "2"}}
	body, _ := b.do(http.MethodPost, "/vms", form, http.StatusOK)
	if wants(t, body, "Stop 2 VMs", "1 running session"); len(b.api.calls) > 0 {
		t.Errorf("it did %v before it asked", b.api.calls)
	}
	b.api.quiet = true
	if n := strings.Count(body, `name="vm" value="`); n != 2 || !strings.Contains(body, `name="vm" value="1"`) {
		t.Errorf("the form is not of the %d VMs by their IDs", n)
	}
	if page := b.get("/", http.StatusOK); !strings.Contains(page, `name="vm" value="1" aria-label="Mark web"`) {
		t.Error("a mark is not of the VM's ID")
	}
	b.posted("/vms", url.Values{"do": {"stop"}, "vm": {"1"}})
	if got := strings.Join(b.api.calls, ", "); got != "stop 1" {
		t.Errorf("where nothing is lost it did %q", got)
	}
	form["vm"] = make([]string, 1001)
	b.do(http.MethodPost, "/vms", form, http.StatusUnprocessableEntity)
}

func TestAVMIsRenamedChangedAndCommitted(t *testing.T) {
	b := open(t)
	wants(t, b.get("/vms/web/rename", http.StatusOK), "It is running: stop it first")
	b.api.state = api.VMStopped
	wants(t, b.get("/vms/web/rename", http.StatusOK), "banger vm rename web web")
	b.send("/vms/web/rename", url.Values{"new": {"db"}})
	wants(t, b.get("/vms/web/commit", http.StatusOK), "banger vm commit web IMAGE", "secrets too")
	if to := b.send("/vms/web/commit", url.Values{"image": {"base"}, "replace": {"yes"}}); to != "/operations/op1" {
		t.Errorf("it leads to %s", to)
	}
	b.send("/vms/web/set", url.Values{
		"vcpu": {"4"}, "was_vcpu": {"2"}, "memory": {"1GiB"}, "was_memory": {"1GiB"},
		"labels": {"a=1\nb=2"}, "was_labels": {"a=1\nc=3"}, "env": {"X=2"}, "was_env": {"X=1\r\nY=1"},
	})
	want := []string{"update web name=db labels=map[] env=[] unset=[]", "commit web base replace=true", "update web vcpu=4 labels=map[b:2 c:] env=[X=2] unset=[Y]"}
	if got := strings.Join(b.api.calls, "; "); got != strings.Join(want, "; ") {
		t.Errorf("got  %s\nwant %s", got, strings.Join(want, "; "))
	}
}

// The command of a form is what the form does, filled in as far as it is.
func TestFormsSayTheirCommand(t *testing.T) {
	b := open(t)
	for form, test := range map[string]struct {
		fields url.Values
		want   string
	}{
		"rename":   {url.Values{"vm": {"web"}}, "banger vm rename web NEW"},
		"commit":   {url.Values{"vm": {"web"}, "image": {"a b"}, "replace": {"on"}}, "banger vm commit --replace web 'a b'"},
		"set":      {url.Values{"vm": {"web"}, "vcpu": {"4"}, "was_vcpu": {"2"}, "labels": {""}, "was_labels": {"a=1"}, "nested": {"yes"}, "publish": {""}, "was_publish": {"80:80"}}, "banger vm set web --vcpu 4 --nested true --label a= --publish ''"},
		"pull":     {url.Values{"name": {"x"}}, "banger image pull --name x REF"},
		"tag":      {url.Values{"name": {"a"}, "new": {"b"}}, "banger image tag a b"},
		"register": {url.Values{"rootfs": {"/a b"}}, "banger image register --name NAME --rootfs '/a b'"},
		"import":   {url.Values{"from": {"/k"}}, "banger kernel import NAME --from /k"},
		"prepare":  {url.Values{"vm": {"web"}, "mode": {"full_copy"}, "path": {"/src"}}, "banger vm workspace prepare --mode full_copy web /src"},
		"forward":  {url.Values{"vm": {"web"}, "forward": {"8080:80"}}, "banger vm forward web 8080:80"},
		"egress":   {url.Values{"vm": {"web"}, "policy": {"default deny\nallow a.example"}}, "banger vm egress set web 'default deny; allow a.example'"},
		"allow":    {url.Values{"vm": {"web"}, "rule": {"allow a.example tcp"}}, "banger vm egress allow web a.example tcp"},
	} {
		test.fields.Set("token", b.token())
		page, _ := b.do(http.MethodPost, "/command/"+form, test.fields, http.StatusOK)
		wants(t, page, test.want)
		test.fields.Set("part", "1")
		if part, _ := b.do(http.MethodPost, "/command/"+form, test.fields, http.StatusOK); strings.Contains(part, "<html") {
			t.Errorf("%s: the part is a page", form)
		}
	}
	b.do(http.MethodPost, "/command/levitate", url.Values{"token": {b.token()}}, http.StatusNotFound)
}

// What else can be done to a VM of the table comes when its menu is opened.
func TestTheMenuOfARow(t *testing.T) {
	b := open(t)
	if page := b.get("/", http.StatusOK); !strings.Contains(page, `data-load="/vms/web/menu"`) || strings.Contains(page, "banger vm kill web") {
		t.Error("the table has more than the way to its menus")
	}
	menu := b.get("/vms/web/menu", http.StatusOK)
	for _, want := range []string{`formaction="/vms/web"`, "banger vm pause web", `href="/vms/web/kill"`} {
		if !strings.Contains(menu, want) {
			t.Errorf("the menu has no %s: %s", want, menu)
		}
	}
}

// What a VM that runs is opened for comes first; to stop it is not behind a menu.
func TestTheFirstButtonOfAVM(t *testing.T) {
	b := open(t)
	acts := func() string {
		page := b.get("/vms/web", http.StatusOK)
		page = page[strings.Index(page, `id="vm-acts"`):]
		return page[:strings.Index(page, "<details")]
	}
	if got := acts(); !strings.Contains(got, `<a class="btn btn-primary" href="/vms/web/sessions/`) || strings.Count(got, "btn-primary") != 1 ||
		strings.Index(got, "Attach") > strings.Index(got, "Pause") || !strings.Contains(got, "Stop") {
		t.Errorf("a VM with a session has %s", got)
	}
	for state, want := range map[string]string{
		api.VMStopped: `name="do" value="start">Start`, api.VMFailed: `name="do" value="start">Start`, api.VMPaused: `name="do" value="resume">Resume`,
		api.VMRunning: "Shell", api.VMStarting: "", api.VMStopping: "",
	} {
		b.api.state, b.api.quiet = state, true
		got := acts()
		at := strings.Index(got, "btn-primary")
		b.api.quiet = false // a session that was not told of yet
		if full := acts(); strings.Count(full, "btn-primary") > 1 {
			t.Errorf("one that is %s with a session has two first buttons: %s", state, full)
		}
		b.api.quiet = true
		if (at >= 0) != (want != "") || at >= 0 && !strings.Contains(got[at:], want) {
			t.Errorf("one that is %s begins with %s", state, got)
		}
		row := b.get("/", http.StatusOK)
		if row = row[strings.Index(row, `<tr id="vm-1"`):]; want != "" && !strings.Contains(row[:strings.Index(row, "<details")], want[strings.LastIndex(want, ">")+1:]) {
			t.Errorf("the row of one that is %s has no %s", state, want)
		}
	}
}

func TestTheDashboardFindsVMs(t *testing.T) {
	b := open(t)
	for filter, found := range map[string]bool{
		"": true, "web": true, "WEB": true, "running": true, "team=": true, "run we": true, " web  running ": true,
		"other": false, "web other": false, "stopped": false,
	} {
		page := b.get("/?"+url.Values{"q": {filter}}.Encode(), http.StatusOK)
		if strings.Contains(page, `<tr id="vm-`) != found {
			t.Errorf("%q finds it: %v", filter, !found)
		}
	}
	page := b.get("/?show=running&q=web", http.StatusOK)
	for _, want := range []string{`href="/?q=web&amp;show=needs"`, `href="/?q=web"`, `name="q" type="search" form="filter" value="web"`, `name="show" value="running"`, `data-live="/live?page=dashboard&amp;q=web&amp;show=running"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if page := b.get("/?q="+strings.Repeat("x", 300), http.StatusOK); strings.Contains(page, strings.Repeat("x", 257)) {
		t.Error("a filter has no bound")
	}
}
