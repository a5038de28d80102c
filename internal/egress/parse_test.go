package egress_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

func mustParse(t *testing.T, text string) egress.Policy {
	t.Helper()
	policy, err := egress.Parse(text)
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return policy
}

func mustRule(t *testing.T, text string) egress.Rule {
	t.Helper()
	rule, err := egress.ParseRule(text)
	if err != nil {
		t.Fatalf("ParseRule(%q): %v", text, err)
	}
	return rule
}

func TestParsePrintsTheCanonicalText(t *testing.T) {
	for text, want := range map[string]string{
		"all":                                               "all",
		" Packages # what we need\n":                        "packages",
		"default allow":                                     "all",
		"default deny":                                      "none",
		"preset none; preset none":                          "none",
		"default deny\npreset ai":                           "ai",
		"preset packages; preset ai":                        "default deny\npreset packages\npreset ai",
		"preset ai;default allow":                           "default allow\npreset ai",
		"Default Deny;ALLOW Git.HUB.":                       "default deny\nallow git.hub",
		"default deny;allow *.EXAMPLE.":                     "default deny\nallow *.example",
		"default deny; allow a.b tcp":                       "default deny\nallow a.b",
		"default deny; allow a.b udp":                       "default deny\nallow a.b udp",
		"default allow; deny a.b tcp":                       "default allow\ndeny a.b tcp",
		"default allow; deny a.b":                           "default allow\ndeny a.b",
		"default deny; allow any TCP/80":                    "default deny\nallow any tcp/80",
		"default deny; allow host tcp/9000-9010,22,9011,23": "default deny\nallow host tcp/22-23,9000-9011",
		"default deny; allow 203.0.113.7/32":                "default deny\nallow 203.0.113.7",
		"default deny; allow 2001:DB8:0::/32 udp/53":        "default deny\nallow 2001:db8::/32 udp/53",
		"default deny; allow any icmp\r\n; ;":               "default deny\nallow any icmp",
		"default deny; allow _srv.xn--bcher-kva.example":    "default deny\nallow _srv.xn--bcher-kva.example",
		"default deny; allow a.b # c; allow c.d":            "default deny\nallow a.b",
	} {
		policy := mustParse(t, text)
		if got := policy.String(); got != want {
			t.Errorf("Parse(%q) prints %q, want %q", text, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "has no default",
		"# nothing":                    "has no default",
		"allow github.com":             "has no default",
		"default maybe":                "neither allow nor deny",
		"default":                      "neither allow nor deny",
		"default deny; default deny":   "already has a default",
		"preset all; preset packages":  "different defaults",
		"preset everything":            `unknown preset "everything"`,
		"packages; allow a.b":          "needs its word",
		"permit a.b":                   `unknown statement "permit"`,
		"allow":                        "not a rule",
		"allow a.b tcp 80":             "not a rule",
		"allow tcp":                    `"tcp" is not a target`,
		"allow *":                      `"*" is not a target`,
		"allow https://github.com/":    `"https://github.com/" is not a domain name`,
		"allow github.com:443 tcp/80":  "both name a port",
		"allow github.com:0":           `"0" is not a port`,
		"allow github.com:":            "is not a domain name",
		"allow github.com:443/x":       "is not a prefix",
		"allow a..b":                   "not a domain name",
		"allow .b":                     "not a domain name",
		"allow a.*.b":                  "not a domain name",
		"allow *a.b":                   "not a domain name",
		"allow *.*.b":                  "not a domain name",
		"allow *.":                     "not a domain name",
		"allow bücher.example":         "not a domain name",
		"allow -a.b":                   "begins or ends with a hyphen",
		"allow a-.b":                   "begins or ends with a hyphen",
		"allow 010.0.0.1":              "nor an address in its usual form",
		"allow 0x7f.0x1":               "nor an address in its usual form",
		"allow 2130706433":             "nor an address in its usual form",
		"allow 127.1":                  "nor an address in its usual form",
		"allow *.4":                    "nor an address in its usual form",
		"allow ::ffff:10.0.0.1":        "IPv4 address in IPv6 form",
		"allow ::ffff:10.0.0.0/104":    "IPv4 address in IPv6 form",
		"allow fe80::1%eth0":           "has a zone",
		"allow 10.1.2.3/8":             "bits beyond its length",
		"allow 10.0.0.0/33":            "not a prefix",
		"allow [2001:db8::1]":          "not a domain name",
		"allow a.b sctp":               `"sctp" is not a protocol`,
		"allow a.b tcp/":               `"" is not a port`,
		"allow a.b tcp/0":              `"0" is not a port`,
		"allow a.b tcp/65536":          `"65536" is not a port`,
		"allow a.b tcp/9-8":            `"9-8" is not a port`,
		"allow a.b tcp/+80":            `"+80" is not a port`,
		"allow a.b icmp/8":             "icmp has no ports",
		"allow a.b\x00":                "not a domain name",
		"allow " + long(64) + ".b":     "not a domain name",
		"allow " + labels(255):         "not a domain name",
		strings.Repeat("#", 64<<10+1):  "65537 bytes",
		"default deny\n" + rules(1025): "more than 1024 rules",
	} {
		_, err := egress.Parse(text)
		if err == nil {
			t.Errorf("Parse(%.60q) took it", text)
			continue
		}
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || fault.HintOf(err).String() == "" {
			t.Errorf("Parse(%.60q) = %v (hint %q), want a message with %q and a hint", text, err, fault.HintOf(err).String(), want)
		}
	}
}

// What a hint says to write instead must be right, and the same traffic.
func TestParseHintsTheRightPrefix(t *testing.T) {
	for text, want := range map[string]string{
		"::ffff:10.0.0.1":     "10.0.0.1",
		"::ffff:10.0.0.1/128": "10.0.0.1",
		"::ffff:10.0.0.0/104": "10.0.0.0/8",
		"::ffff:0:0/96":       "0.0.0.0/0",
		"10.1.2.3/8":          "10.0.0.0/8",
	} {
		if _, err := egress.Parse("default deny; allow " + text); fault.HintOf(err).String() != want {
			t.Errorf("%s: the hint is %q, not %q", text, fault.HintOf(err).String(), want)
		}
	}
}

func long(n int) string { return strings.Repeat("a", n) }

// labels is a name of n bytes in labels of one.
func labels(n int) string { return strings.Repeat("a.", n)[:n] }

func rules(n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, "allow h%d.example\n", i)
	}
	return out.String()
}

func TestParseTakesWhatIsAtTheBounds(t *testing.T) {
	mustParse(t, "default deny\n"+rules(1024))
	mustRule(t, "allow "+labels(253))
	mustRule(t, "allow "+long(63)+".b")
}

func TestParseRuleTakesOneRule(t *testing.T) {
	if got := mustRule(t, "  deny   ANY udp ").String(); got != "deny any udp" {
		t.Errorf("the rule prints %q", got)
	}
	for _, text := range []string{"", "allow a.b; allow c.d", "allow a.b\nallow c.d", "allow a.b # c", "default deny", "preset all"} {
		if rule, err := egress.ParseRule(text); !errors.Is(err, fault.Invalid) {
			t.Errorf("ParseRule(%q) = %v, %v", text, rule, err)
		}
	}
}

func TestPresetsAreWhatTheirNamesSay(t *testing.T) {
	for _, name := range egress.Presets() {
		policy := mustParse(t, name)
		if policy.Preset() != name || policy.String() != name {
			t.Errorf("%s: Preset() = %q, String() = %q", name, policy.Preset(), policy)
		}
		if mustParse(t, "preset "+name).Preset() != name {
			t.Errorf("%q is not the preset", "preset "+name)
		}
	}
	if mustParse(t, "preset packages; allow a.b").Preset() != "" {
		t.Error("a preset and a rule is a preset")
	}
	if got := (egress.Policy{}).String(); got != "none" {
		t.Errorf("the zero policy is %q", got)
	}
}

// What is in the presets must be what the language could say.
func TestPresetsHaveValidRules(t *testing.T) {
	for _, name := range []string{"packages", "ai"} {
		for _, rule := range egress.RulesOf(mustParse(t, name)) {
			again, err := egress.ParseRule(rule.String())
			if err != nil || again.String() != rule.String() || !strings.HasSuffix(rule.String(), " tcp/80,443") {
				t.Errorf("%s: %q: %v, %q", name, rule, err, again)
			}
		}
	}
}

func TestPresetsNameWhatTheyAreFor(t *testing.T) {
	packages, ai := mustParse(t, "packages"), mustParse(t, "ai")
	for _, name := range []string{"security.ubuntu.com", "dl-cdn.alpinelinux.org", "pypi.org", "files.pythonhosted.org", "index.crates.io", "github.com", "codeload.github.com", "sum.golang.org", "ghcr.io", "rubygems.org"} {
		if !packages.Resolves(name).Allow || !ai.Resolves(name).Allow {
			t.Errorf("packages: %v, ai: %v: neither must deny %s", packages.Resolves(name), ai.Resolves(name), name)
		}
	}
	for _, name := range []string{"api.anthropic.com", "api.openai.com", "generativelanguage.googleapis.com", "api.mistral.ai", "openrouter.ai", "api.githubcopilot.com"} {
		if packages.Resolves(name).Allow || !ai.Resolves(name).Allow {
			t.Errorf("%s: packages: %v, ai: %v", name, packages.Resolves(name), ai.Resolves(name))
		}
	}
	for _, name := range []string{"example.org", "evilgithub.com", "github.com.evil.example", "bucket.s3.amazonaws.com", "storage.googleapis.com"} {
		if ai.Resolves(name).Allow {
			t.Errorf("ai allows %s", name)
		}
	}
}

func TestWithPutsRulesFirst(t *testing.T) {
	policy := mustParse(t, "preset packages; allow a.b; deny c.d")
	got := policy.With(mustRule(t, "allow c.d"), mustRule(t, "allow e.f"), mustRule(t, "deny e.f tcp"))
	want := "default deny\nallow c.d\nallow e.f\npreset packages\nallow a.b\ndeny c.d"
	if got.String() != want {
		t.Errorf("With gives %q, want %q", got, want)
	}
	if again := got.With(mustRule(t, "allow c.d")); again.String() != want {
		t.Errorf("the same rule again gives %q", again)
	}
	if policy.String() != "default deny\npreset packages\nallow a.b\ndeny c.d" {
		t.Errorf("With changed its policy: %q", policy)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("default deny\npreset packages\nallow *.example.org\nallow github.com tcp/22,443 # git\n")
	f.Add("allow 203.0.113.0/24 tcp/1024-2048; deny any udp;default allow;allow host;allow ::1 icmp")
	f.Add("all")
	f.Add("preset ai;preset none;allow 010.1;deny ::ffff:1.2.3.4/100")
	f.Fuzz(func(t *testing.T, text string) {
		policy, err := egress.Parse(text)
		if err != nil {
			if !errors.Is(err, fault.Invalid) || fault.HintOf(err).String() == "" {
				t.Fatalf("Parse(%q) = %#v", text, err)
			}
			return
		}
		printed := policy.String()
		again, err := egress.Parse(printed)
		if err != nil {
			t.Fatalf("Parse(%q) prints %q: %v", text, printed, err)
		}
		if again.String() != printed || !egress.Same(policy, again) {
			t.Fatalf("%q prints %q, which prints %q", text, printed, again)
		}
	})
}

// A port may stand at the target, as people write it.
func TestParsePortsAtTargets(t *testing.T) {
	for text, want := range map[string]string{
		"allow host:7777":             "allow host tcp/7777",
		"allow host.vm:7777":          "allow host tcp/7777",
		"deny github.com:443":         "deny github.com tcp/443",
		"allow *.example.org:22,443":  "allow *.example.org tcp/22,443",
		"allow 203.0.113.5:80":        "allow 203.0.113.5 tcp/80",
		"allow [2001:db8::1]:53 udp":  "allow 2001:db8::1 udp/53",
		"allow any:8000-8010 udp":     "allow any udp/8000-8010",
		"allow 2001:db8::1":           "allow 2001:db8::1",
		"allow 2001:db8::/32 tcp/443": "allow 2001:db8::/32 tcp/443",
	} {
		if got := mustParse(t, "default deny; "+text).Rules()[0]; got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestWithout(t *testing.T) {
	policy := mustParse(t, "default deny; allow a.example tcp/443; preset packages; deny any udp")
	got, err := policy.Without(mustRule(t, "allow A.example tcp/443"))
	if want := mustParse(t, "default deny; preset packages; deny any udp"); err != nil || got.String() != want.String() {
		t.Errorf("%q, %v", got, err)
	}
	for rule, code := range map[string]fault.Code{
		"allow a.example": fault.NotFound, "deny a.example tcp/443": fault.NotFound, "allow github.com tcp/80,443": fault.Conflict,
	} {
		if got, err := policy.Without(mustRule(t, rule)); !errors.Is(err, code) || got.String() != policy.String() {
			t.Errorf("%s: %v", rule, err)
		}
	}
}
