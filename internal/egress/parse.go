package egress

import (
	"errors"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// Parse reads a policy in the language of the package comment. The fault is
// Invalid and names the statement.
func Parse(text string) (Policy, error) {
	if len(text) > MaxText {
		return Policy{}, fault.New(fault.Invalid, "the egress policy has %d bytes, more than %d", len(text), MaxText).
			WithHint("use *.example.org and prefixes to have fewer rules")
	}
	statements := split(text)
	if len(statements) == 1 && slices.Contains(Presets(), strings.ToLower(statements[0])) {
		return presetPolicy(strings.ToLower(statements[0])), nil
	}
	var p parser
	for _, statement := range statements {
		if err := p.statement(strings.Fields(statement)); err != nil {
			return Policy{}, inStatement(statement, err)
		}
	}
	return p.finish()
}

// ParseRule reads one rule.
func ParseRule(text string) (Rule, error) {
	words := strings.Fields(text)
	if len(words) == 0 || strings.ContainsAny(text, "\n;#") {
		return Rule{}, fault.New(fault.Invalid, "%q is not a rule", text).WithHint("%s", ruleHint)
	}
	rule, err := parseRule(words)
	if err != nil {
		return Rule{}, inStatement(text, err)
	}
	return rule, nil
}

const ruleHint = "a rule is allow or deny, a target, and perhaps a protocol with ports: allow github.com tcp/22,443"

// untilWord stands before the time at which a rule ends.
const untilWord = "until"

// split gives the statements, without comments and empty ones.
func split(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for statement := range strings.SplitSeq(line, ";") {
			if statement = strings.TrimSpace(statement); statement != "" {
				out = append(out, statement)
			}
		}
	}
	return out
}

// inStatement says where in a policy a fault is, and keeps its hint.
func inStatement(statement string, err error) error {
	statement = plain.Value(statement)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return fault.New(f.Code, "egress policy, %q: %s", statement, f.Message).WithHint("%s", f.Hint)
	}
	return err
}

// parser gathers a policy.
type parser struct {
	policy  Policy
	given   Action // by a "default" statement
	presets Action // the default of the presets
	rules   int
}

func (p *parser) statement(words []string) error {
	switch word := strings.ToLower(words[0]); word {
	case "default":
		return p.defaultStatement(words[1:])
	case "preset":
		return p.presetStatement(words[1:])
	case string(Allow), string(Deny):
		if p.rules++; p.rules > MaxRules {
			return fault.New(fault.Invalid, "there are more than %d rules", MaxRules).WithHint("use *.example.org and prefixes to have fewer rules")
		}
		rule, err := parseRule(words)
		if err != nil {
			return err
		}
		p.policy.items = append(p.policy.items, item{rules: []Rule{rule}})
		return nil
	default:
		if len(words) == 1 && slices.Contains(Presets(), word) {
			return fault.New(fault.Invalid, "a preset among other statements needs its word").WithHint("preset %s", word)
		}
		return fault.New(fault.Invalid, "unknown statement %q", words[0]).
			WithHint("statements begin with default, preset, allow or deny; a preset alone is one of %s", strings.Join(Presets(), ", "))
	}
}

func (p *parser) defaultStatement(words []string) error {
	action := Action(strings.ToLower(strings.Join(words, " ")))
	if action != Allow && action != Deny {
		return fault.New(fault.Invalid, "the default is neither allow nor deny").WithHint("default deny")
	}
	if p.given != "" {
		return fault.New(fault.Invalid, "the policy already has a default").WithHint("keep one default statement")
	}
	p.given = action
	return nil
}

func (p *parser) presetStatement(words []string) error {
	name := strings.ToLower(strings.Join(words, " "))
	if !slices.Contains(Presets(), name) {
		return fault.New(fault.Invalid, "unknown preset %q", name).WithHint("the presets are %s", strings.Join(Presets(), ", "))
	}
	preset := presetPolicy(name)
	action := Deny
	if preset.allow {
		action = Allow
	}
	if p.presets != "" && p.presets != action {
		p.presets = "both"
	} else {
		p.presets = action
	}
	for _, it := range preset.items {
		if !slices.ContainsFunc(p.policy.items, func(have item) bool { return have.preset == it.preset }) {
			p.policy.items = append(p.policy.items, it)
		}
	}
	return nil
}

func (p *parser) finish() (Policy, error) {
	def := p.given
	if def == "" {
		def = p.presets
	}
	switch def {
	case Allow, Deny:
		p.policy.allow = def == Allow
		return p.policy, nil
	case "":
		return Policy{}, fault.New(fault.Invalid, "the egress policy has no default").
			WithHint(`add "default deny" or "default allow", or give a preset: %s`, strings.Join(Presets(), ", "))
	default:
		return Policy{}, fault.New(fault.Invalid, "the presets of the egress policy have different defaults").
			WithHint(`add "default deny" or "default allow"`)
	}
}

func parseRule(words []string) (Rule, error) {
	words, until, err := cutUntil(words)
	if err != nil {
		return Rule{}, err
	}
	rule := Rule{action: Action(strings.ToLower(words[0])), until: until}
	if rule.action != Allow && rule.action != Deny || len(words) < 2 || len(words) > 3 {
		return Rule{}, fault.New(fault.Invalid, "this is not a rule").WithHint("%s", ruleHint)
	}
	if words, err = splitPort(words); err != nil {
		return Rule{}, err
	}
	if rule.target, err = parseTarget(words[1]); err != nil {
		return Rule{}, err
	}
	if len(words) == 2 {
		rule.protocol = rule.implied()
		return rule, nil
	}
	protocol, ports, hasPorts := strings.Cut(words[2], "/")
	rule.protocol = Protocol(strings.ToLower(protocol))
	switch rule.protocol {
	case TCP, UDP, ICMP:
	default:
		return Rule{}, fault.New(fault.Invalid, "%q is not a protocol", words[2]).WithHint("protocols are tcp, udp and icmp; ports follow: tcp/443, udp/8000-8100")
	}
	if !hasPorts {
		return rule, nil
	}
	if rule.protocol == ICMP {
		return Rule{}, fault.New(fault.Invalid, "icmp has no ports: %q", words[2]).WithHint("%s %s icmp", rule.action, rule.target)
	}
	if rule.ports, err = parsePorts(ports); err != nil {
		return Rule{}, err
	}
	return rule, nil
}
