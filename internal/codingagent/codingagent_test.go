package codingagent_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/codingagent"
	"github.com/bangervm/banger/internal/egress"
)

const root = "../../"

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(root + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestAgentImageHasEachAgentPinned(t *testing.T) {
	var pack struct{ Dependencies map[string]string }
	if err := json.Unmarshal([]byte(read(t, "images/dev/package.json")), &pack); err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			Version, Resolved, Integrity string
			InBundle                     bool // hashed with the package that holds it
		}
	}
	if err := json.Unmarshal([]byte(read(t, "images/dev/package-lock.json")), &lock); err != nil {
		t.Fatal(err)
	}
	for _, a := range codingagent.All() {
		if pack.Dependencies[a.Package] == "" {
			t.Errorf("images/dev/package.json lacks %s, which is %s", a.Package, a.Name)
		}
	}
	for name, version := range pack.Dependencies {
		if strings.Trim(version, "0123456789.") != "" {
			t.Errorf("images/dev/package.json: %s %q is not one version", name, version)
		}
		if locked := lock.Packages["node_modules/"+name].Version; locked != version {
			t.Errorf("images/dev/package-lock.json has %s %q, package.json %q", name, locked, version)
		}
	}
	for name, p := range lock.Packages {
		if name != "" && p.Integrity == "" && !p.InBundle || p.Resolved != "" {
			t.Errorf("images/dev/package-lock.json: %s has integrity %q and comes from %q; want a hash and no host", name, p.Integrity, p.Resolved)
		}
	}
}

func TestAgentImageLinksEachAgent(t *testing.T) {
	_, loop, ok := strings.Cut(read(t, "images/dev/Dockerfile"), "for program in ")
	linked, _, closed := strings.Cut(loop, ";")
	if !ok || !closed {
		t.Fatal("images/dev/Dockerfile has no loop that links programs")
	}
	for _, name := range codingagent.Names() {
		if !slices.Contains(strings.Fields(linked), name) {
			t.Errorf("images/dev/Dockerfile does not link %s", name)
		}
	}
}

func TestTheAIPresetAllowsEachAgentsHosts(t *testing.T) {
	policy, err := egress.Parse("default deny; preset ai")
	if err != nil {
		t.Fatal(err)
	}
	rules := strings.Join(policy.Rules(), "\n")
	for _, a := range codingagent.All() {
		for _, host := range a.Hosts {
			_, domain, _ := strings.Cut(host, ".")
			if !strings.Contains(rules, " "+host+" ") && !strings.Contains(rules, " *."+domain+" ") {
				t.Errorf("the egress preset ai does not allow %s of %s", host, a.Name)
			}
		}
	}
}

func TestDocsNameEachAgent(t *testing.T) {
	agents, workspaces := read(t, "docs/agents.md"), read(t, "docs/workspaces.md")
	for _, a := range codingagent.All() {
		if !strings.Contains(agents, "| `"+a.Name+"` |") {
			t.Errorf("docs/agents.md has no row for %s", a.Name)
		}
		if !strings.Contains(workspaces, a.Name) {
			t.Errorf("docs/workspaces.md does not name the preset %s", a.Name)
		}
		if a.Credentials == nil {
			continue
		}
		for _, name := range slices.Concat(a.Credentials.Env[:1], a.Credentials.Files) {
			if !strings.Contains(agents, "`"+name+"`") {
				t.Errorf("docs/agents.md does not name %s of %s", name, a.Name)
			}
		}
	}
}

func TestCredentialsAreAmongTheFilesToPlace(t *testing.T) {
	for _, a := range codingagent.All() {
		if a.Credentials == nil {
			continue
		}
		for _, file := range a.Credentials.Files {
			if !slices.Contains(a.Files, file) {
				t.Errorf("the preset %s does not place %s", a.Name, file)
			}
		}
	}
}

func TestWhatNeedsCredentials(t *testing.T) {
	for _, needs := range [][]string{{"claude"}, {"/usr/local/bin/claude", "-p", "hello"}, {"codex", "exec", "hello"}} {
		if codingagent.NeededBy(needs) == nil {
			t.Errorf("%q needs no credentials", needs)
		}
	}
	for _, free := range [][]string{nil, {"claude", "--version"}, {"codex", "login"}, {"codex", "--oss"}, {"opencode", "serve"}, {"bash"}} {
		if c := codingagent.NeededBy(free); c != nil {
			t.Errorf("%q needs %+v", free, *c)
		}
	}
}
