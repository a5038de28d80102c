package egress

import (
	"slices"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// MaxTime bounds how long a rule with a time can be added for.
const MaxTime = 30 * 24 * time.Hour

// cutUntil takes the time at which a rule ends off its words.
func cutUntil(words []string) (rest []string, until time.Time, err error) {
	at := slices.IndexFunc(words, func(word string) bool { return strings.EqualFold(word, untilWord) })
	if at < 2 { // before is an action and a target
		return words, time.Time{}, nil
	}
	if at != len(words)-2 {
		return nil, time.Time{}, fault.New(fault.Invalid, "%q needs one time after it", untilWord).WithHint("%s", untilHint)
	}
	until, err = time.Parse(time.RFC3339, strings.ToUpper(words[at+1]))
	if err != nil {
		return nil, time.Time{}, fault.New(fault.Invalid, "%q is not a time", words[at+1]).WithHint("%s", untilHint)
	}
	return words[:at], until.UTC().Truncate(time.Second), nil
}

const untilHint = "allow github.com until 2027-01-31T18:00:00Z"

// Until is the rule until a time, cut to the second before it.
func (r Rule) Until(end time.Time) Rule {
	r.until = end.UTC().Truncate(time.Second)
	return r
}

// Timed says whether the rule ends by itself.
func (r Rule) Timed() bool { return !r.until.IsZero() }

// outlasts says whether the rule lasts at least as long as another one.
func (r Rule) outlasts(other Rule) bool {
	return !r.Timed() || other.Timed() && !r.until.Before(other.until)
}

// At is the policy without the rules that ended by now. What enforces a policy asks again at
// its End.
func (p Policy) At(now time.Time) Policy {
	out := Policy{allow: p.allow}
	for _, it := range p.items {
		if it.preset != "" || !it.rules[0].Timed() || now.Before(it.rules[0].until) {
			out.items = append(out.items, it)
		}
	}
	return out
}

// End is when the first of its rules ends by itself; zero: none does.
func (p Policy) End() time.Time {
	var end time.Time
	for _, rule := range p.Own() {
		if rule.Timed() && (end.IsZero() || rule.until.Before(end)) {
			end = rule.until
		}
	}
	return end
}

// Own are the policy's rules but those of presets, in their order.
func (p Policy) Own() []Rule {
	var own []Rule
	for _, it := range p.items {
		if it.preset == "" {
			own = append(own, it.rules[0])
		}
	}
	return own
}
