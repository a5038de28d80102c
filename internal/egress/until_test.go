package egress_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

var noon = time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)

func TestARuleEndsAtItsTime(t *testing.T) {
	p := mustParse(t, "default deny; allow a.example until 2027-01-31T13:00:00+01:00; allow b.example tcp/22 UNTIL 2027-01-31t12:00:10z; allow c.example")
	want := "default deny\nallow a.example until 2027-01-31T12:00:00Z\nallow b.example tcp/22 until 2027-01-31T12:00:10Z\nallow c.example"
	if p.String() != want || !p.End().Equal(noon) {
		t.Errorf("it is %q, and ends at %s", p, p.End())
	}
	for after, rules := range map[time.Duration]int{-time.Nanosecond: 3, 0: 2, 10 * time.Second: 1, time.Hour: 1} {
		if at := p.At(noon.Add(after)); len(at.Rules()) != rules {
			t.Errorf("%s after noon: %q", after, at)
		}
	}
	if end := p.At(noon.Add(time.Hour)).End(); !end.IsZero() {
		t.Errorf("what has no timed rule ends at %s", end)
	}
	if at := mustParse(t, "default deny; preset packages; allow a.example until 2027-01-31T12:00:00Z").At(noon); at.Preset() != "packages" {
		t.Errorf("what is left is %q", at)
	}
}

func TestTimesThatAreNone(t *testing.T) {
	for _, text := range []string{"allow a.example until", "allow a.example until tomorrow", "allow a.example until 2027-01-31T12:00:00Z tcp/22", "allow until 2027-01-31T12:00:00Z"} {
		if _, err := egress.ParseRule(text); fault.CodeOf(err) != fault.Invalid || fault.HintOf(err).String() == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A rule that ends is no reason to lose one that stays.
func TestRulesForTheSameTrafficThatLastLonger(t *testing.T) {
	for _, c := range []struct{ have, add, want string }{
		{"allow a.example", "allow a.example until 2027-01-31T12:00:00Z", "allow a.example until 2027-01-31T12:00:00Z; allow a.example"},
		{"allow a.example until 2027-01-31T12:00:00Z", "allow a.example", "allow a.example"},
		{"allow a.example until 2027-01-31T12:00:00Z", "allow a.example until 2027-01-31T12:00:01Z", "allow a.example until 2027-01-31T12:00:01Z"},
		{"allow a.example until 2027-01-31T12:00:01Z", "deny a.example tcp until 2027-01-31T12:00:00Z", "deny a.example tcp until 2027-01-31T12:00:00Z; allow a.example until 2027-01-31T12:00:01Z"},
	} {
		rule, err := egress.ParseRule(c.add)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(mustParse(t, "default deny; "+c.have).With(rule).Rules(), "; "); got != c.want {
			t.Errorf("%s before %s: %s", c.add, c.have, got)
		}
	}
}

func TestARuleUntil(t *testing.T) {
	rule, err := egress.NewRule("allow", "a.example:22")
	if err != nil {
		t.Fatal(err)
	}
	if got := rule.Until(noon.Add(time.Second - 1)).String(); got != "allow a.example tcp/22 until 2027-01-31T12:00:00Z" {
		t.Errorf("it is %q", got)
	}
}
