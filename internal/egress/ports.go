package egress

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// portRange is the ports from first to last, both included.
type portRange struct{ first, last uint16 }

func portsText(ports []portRange) string {
	if len(ports) == 0 {
		return ""
	}
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = strconv.Itoa(int(p.first))
		if p.last != p.first {
			words[i] += "-" + strconv.Itoa(int(p.last))
		}
	}
	return "/" + strings.Join(words, ",")
}

// parsePorts reads "22,443,1024-2048". The ranges come sorted, those that touch
// as one.
func parsePorts(text string) ([]portRange, error) {
	var ports []portRange
	for word := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(word, "-")
		if !isRange {
			last = first
		}
		from, fromErr := strconv.ParseUint(first, 10, 16)
		to, toErr := strconv.ParseUint(last, 10, 16)
		if fromErr != nil || toErr != nil || from == 0 || from > to {
			return nil, fault.New(fault.Invalid, "%q is not a port or a range of ports", word).
				WithHint("ports are from 1 to 65535: tcp/443, tcp/22,443, tcp/8000-8100")
		}
		ports = append(ports, portRange{uint16(from), uint16(to)})
	}
	slices.SortFunc(ports, func(a, b portRange) int { return cmp.Compare(a.first, b.first) })
	merged := ports[:1]
	for _, p := range ports[1:] {
		before := &merged[len(merged)-1]
		if int(p.first) > int(before.last)+1 {
			merged = append(merged, p)
			continue
		}
		before.last = max(before.last, p.last)
	}
	return merged, nil
}
