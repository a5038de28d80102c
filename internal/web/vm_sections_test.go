package web_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// wants fails for each text that a page does not have.
func wants(t *testing.T, page string, texts ...string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			all.WriteString(n.Data)
		}
	}
	shown := strings.Join(strings.Fields(all.String()), " ")
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			t.Errorf("the page does not say %q:\n%s", text, shown)
		}
	}
}

func TestTheWorkspaceIsLookedAt(t *testing.T) {
	b := open(t)
	if to := b.send("/vms/web/workspace", url.Values{"do": {"look"}}); to != "/vms/web/workspace?op=op2" || b.api.calls[0] != "export web check=false apply=false" {
		t.Errorf("%s after %v", to, b.api.calls)
	}
	wants(t, b.get("/vms/web/workspace?op=op2", http.StatusOK), "2 files, +2 −1", "main.go", "banger vm workspace export web --output web.patch")
	wants(t, b.get("/vms/web/workspace/diff?op=op2&file=0", http.StatusOK), "@@ -3,3 +3,4 @@ func main() {", "diff --git a/x b/x", "after")
	second := b.get("/vms/web/workspace/diff?op=op2&file=1&part=1", http.StatusOK)
	wants(t, second, "new file mode 100755", "second", "No newline at end of file")
	if strings.Contains(second, "after") || strings.Contains(second, "<html") || strings.ContainsAny(second, "\x1b\u202e") {
		t.Errorf("the part of the second file has more than it:\n%s", second)
	}
	for _, bad := range []string{"op=op2&file=2", "op=op2&file=-1", "op=op2&file=x", "op=op1&file=0"} {
		b.get("/vms/web/workspace/diff?"+bad, http.StatusNotFound)
	}
}

// A guest that does not answer keeps nobody waiting.
func TestPagesDoNotWaitForTheGuest(t *testing.T) {
	b := open(t)
	for _, page := range []string{"", "/workspace", "/egress", "/console", "/ports", "/processes", "/delete", "/menu"} {
		b.get("/vms/web"+page, http.StatusOK)
	}
	if b.api.longest > time.Second {
		t.Errorf("a page waits %s for a look at the workspace", b.api.longest)
	}
}

func TestTheWorkspaceIsCheckedAndApplied(t *testing.T) {
	b := open(t)
	b.api.conflicts = []string{}
	b.send("/vms/web/workspace", url.Values{"do": {"check"}})
	wants(t, b.get("/vms/web/workspace?op=op2", http.StatusOK), "Applies cleanly to")
	b.api.conflicts = []string{"main.go"}
	wants(t, b.get("/vms/web/workspace?op=op2", http.StatusOK), "Nothing was changed there", "git apply --3way")
	page := b.get("/vms/web/workspace/apply?op=op2", http.StatusOK)
	wants(t, page, "2 changed files", hostile[:8], "Only what you looked at", "banger vm workspace export web --apply --tree t2")
	if !strings.Contains(page, `name="tree" value="t2"`) {
		t.Error("the form does not say what was looked at")
	}
	wants(t, b.get("/vms/web/workspace/apply", http.StatusOK), "You have not looked", "banger vm workspace export web --apply Cancel")
	for tree, want := range map[string]string{"": "export web check=false apply=true", "t2": "export web check=false apply=true tree=t2"} {
		b.send("/vms/web/workspace", url.Values{"do": {"apply"}, "tree": {tree}})
		if did := b.api.calls[len(b.api.calls)-1]; did != want {
			t.Errorf("for the tree %q it did %q", tree, did)
		}
	}
	b.api.noWork = true
	wants(t, b.get("/vms/web/workspace", http.StatusOK), "There is no workspace in this VM")
	b.send("/vms/web/workspace", url.Values{"do": {"prepare"}, "path": {"/src"}})
	if !slices.Contains(b.api.calls, "prepare web /src") {
		t.Errorf("it did %v", b.api.calls)
	}
}

// What was stored counts as exported; a download that was cut does not.
func TestADownloadCountsWhenItIsWhole(t *testing.T) {
	b := open(t)
	form := url.Values{"token": {b.token()}, "op": {"op2"}}
	body, header := b.do(http.MethodPost, "/vms/web/workspace/download", form, http.StatusOK)
	if body != patchText || header.Get("Content-Disposition") != "attachment; filename=web.patch" || !slices.Contains(b.api.calls, "accept web e1") {
		t.Errorf("%q, %v", header, b.api.calls)
	}
	b.api.calls, b.api.short = nil, 10
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+"/vms/web/workspace/download", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = b.host
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "http://"+b.host)
	res, err := b.http.Do(req)
	if err == nil {
		_, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	if err == nil || len(b.api.calls) > 0 {
		t.Errorf("a cut download: %v, %v", err, b.api.calls)
	}
}

func TestEgressLog(t *testing.T) {
	b := open(t)
	page := b.get("/vms/web/egress", http.StatusOK)
	wants(t, page, "Denied 2", "Allowed 2", "example.org tcp/443", "4 MiB", "metrics.example", "registry.example tcp/443")
	if strings.Index(page, "metrics.example") > strings.Index(page, "open.example") {
		t.Error("the newest is not first")
	}
	denied := html.UnescapeString(b.get("/vms/web/egress?show=denied", http.StatusOK))
	if strings.Contains(denied, "open.example") || !strings.Contains(denied, "name=registry.example&port=443") || !strings.Contains(denied, "address=192.0.2.3") {
		t.Error("the denied ones are not those")
	}
	wants(t, b.get("/vms/web/egress?target=example.org", http.StatusOK), "No, by default deny", "banger vm egress test web example.org")
}

// A rule that was edited must still match what was denied, else it is not added.
func TestEditAndAllow(t *testing.T) {
	b := open(t)
	wants(t, b.get("/vms/web/egress?allow=deny&name=registry.example&protocol=tcp&port=443&address=192.0.2.3", http.StatusOK),
		"Matches what was denied: registry.example tcp/443 at 192.0.2.3", "to any server that answers as registry.example", "banger vm egress allow web registry.example tcp/443")
	form := url.Values{"do": {"allow"}, "allow": {"deny"}, "name": {"registry.example"}, "protocol": {"tcp"}, "port": {"443"}, "address": {"192.0.2.3"}, "rule": {"allow other.example"}, "token": {b.token()}}
	body, _ := b.do(http.MethodPost, "/vms/web/egress", form, http.StatusOK)
	wants(t, body, "does not allow what was denied: registry.example tcp/443")
	for _, other := range []string{"deny registry.example", "allow registry.example tcp/22", ""} {
		form.Set("rule", other)
		b.do(http.MethodPost, "/vms/web/egress", form, http.StatusOK)
	}
	if len(b.api.calls) > 0 {
		t.Errorf("it did %v", b.api.calls)
	}
	form.Set("rule", " allow  registry.example tcp ")
	if to := b.send("/vms/web/egress", form); !strings.HasPrefix(to, "/vms/web/egress?did=") || b.api.calls[0] != "allow web allow registry.example tcp" {
		t.Errorf("%s after %v", to, b.api.calls)
	}
}

// The guest chooses the names that it looks up. One that means something else in a rule opens nothing.
func TestANameThatMeansSomethingElseIsNotAllowed(t *testing.T) {
	b := open(t)
	for name, rule := range map[string]string{"host": "allow host tcp/443", "any": "allow any", "127.0.0.1": "allow 127.0.0.1"} {
		page := b.get("/vms/web/egress?allow=dns&name="+name, http.StatusOK)
		if strings.Contains(page, "Matches what was denied") || strings.Contains(page, `value="allow `) {
			t.Errorf("a rule is proposed for %s", name)
		}
		form := url.Values{"do": {"allow"}, "allow": {"dns"}, "name": {name}, "rule": {rule}, "token": {b.token()}}
		b.do(http.MethodPost, "/vms/web/egress", form, http.StatusOK)
		if len(b.api.calls) > 0 {
			t.Errorf("for %s it did %v", name, b.api.calls)
		}
	}
	b.do(http.MethodPost, "/vms/web/egress", url.Values{"do": {"allow"}, "rule": {"allow any"}, "token": {b.token()}}, http.StatusUnprocessableEntity)
	wants(t, b.get("/vms/web/egress?allow=nonsense", http.StatusOK), "it is not known what was denied")
}

func TestAPolicyThatIsWrongStaysInTheForm(t *testing.T) {
	b := open(t)
	b.api.err = fault.New(fault.Invalid, "%q is not a rule", "alow").WithHint("write allow")
	body, _ := b.do(http.MethodPost, "/vms/web/egress", url.Values{"do": {"set"}, "policy": {"alow any"}, "token": {b.token()}}, http.StatusOK)
	wants(t, body, "alow any", `"alow" is not a rule`, "Write allow")
	if !strings.Contains(body, `aria-invalid="true" aria-describedby="text-p policy-h"`) || !strings.Contains(body, `<a href="#text">`) {
		t.Error("the field is not marked, or nothing leads to it")
	}
	b.api.err = nil
	b.send("/vms/web/egress", url.Values{"do": {"set"}, "policy": {"packages"}})
	if got := b.api.calls[len(b.api.calls)-1]; got != "egress web packages" {
		t.Error(got)
	}
}

func TestConsoleLog(t *testing.T) {
	b := open(t)
	page := b.get("/vms/web/console", http.StatusOK)
	wants(t, page, "booted", "last")
	if strings.ContainsAny(page, "\x1b\u202e\r") || len(page) > 100_000 {
		t.Errorf("the page has controls, or %d bytes", len(page))
	}
	found := b.get("/vms/web/console?q=connection", http.StatusOK)
	wants(t, found, "1 line found", "refused")
	if !strings.Contains(found, "<mark>CONNECTION</mark>") || strings.Contains(found, "booted") {
		t.Error("the search shows other lines")
	}
	if body, header := b.do(http.MethodGet, "/vms/web/console/download", nil, http.StatusOK); !strings.Contains(body, "\x1b") || !strings.HasPrefix(header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the download is %v", header)
	}
}

func TestForwards(t *testing.T) {
	b := open(t)
	b.send("/vms/web/ports", url.Values{"do": {"add"}, "forward": {"8080:80"}})
	b.send("/vms/web/ports", url.Values{"do": {"remove"}, "proto": {"tcp"}, "host": {"127.0.0.1:8080"}})
	if got := strings.Join(b.api.calls, ", "); got != "forward web tcp 127.0.0.1:8080 80, remove forward web 127.0.0.1:8080" {
		t.Error(got)
	}
	b.do(http.MethodPost, "/vms/web/ports", url.Values{"do": {"add"}, "forward": {"x"}, "token": {b.token()}}, http.StatusUnprocessableEntity)
}

func TestSectionsOfAStoppedVM(t *testing.T) {
	b := open(t)
	b.api.state = api.VMStopped
	wants(t, b.get("/vms/web/resources", http.StatusOK), "It is stopped")
	wants(t, b.get("/vms/web/ports", http.StatusOK), "It is not running")
	wants(t, b.get("/vms/web/workspace", http.StatusOK), "It is stopped: start it first")
}

// The changes are read when the page is opened, where there are some; after they were applied the page shows
// how the workspace is now.
func TestTheWorkspacePageShowsWhatIsThere(t *testing.T) {
	b := open(t)
	const reads, apply = "data-look>", "/workspace/apply"
	if page := b.get("/vms/web/workspace", http.StatusOK); !strings.Contains(page, reads) {
		t.Error("the changes are not read at once")
	}
	if page := b.get("/vms/web/workspace?op=op2", http.StatusOK); strings.Contains(page, reads) || !strings.Contains(page, apply+"?op=op2") {
		t.Error("what was read is read again, or cannot be applied")
	}
	b.api.work, b.api.applied = api.WorkspaceClean, true
	page := b.get("/vms/web/workspace?op=op2", http.StatusOK)
	if wants(t, page, "Workspace no changes", "Applied to"); strings.Contains(page, apply) || strings.Contains(page, reads) {
		t.Error("what was applied can be applied again")
	}
	page = b.get("/vms/web/workspace", http.StatusOK)
	if wants(t, page, "Nothing has changed since it was copied"); strings.Contains(page, reads) || strings.Contains(page, apply) {
		t.Error("nothing is read, or applied")
	}
	b.api.work = api.WorkspaceChanged
	if page := b.get("/vms/web/workspace?op=op2", http.StatusOK); !strings.Contains(page, apply+`"`) {
		t.Error("what has changed since cannot be applied")
	}
	b.api.state = api.VMStopped
	if page := b.get("/vms/web/workspace", http.StatusOK); strings.Contains(page, reads) || !strings.Contains(page, `title="It is stopped: start it first"`) {
		t.Error("a guest that does not run is read, or the button does not say why not")
	}
}
