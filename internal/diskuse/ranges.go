package diskuse

import "slices"

// span is bytes of a device, from its first to before its end.
type span struct{ from, end uint64 }

func (s span) bytes() int64 { return int64(s.end - s.from) }

// ranges is a set of spans that do not touch, in order.
type ranges struct{ spans []span }

// add puts a span into the set, and returns how many of its bytes are new there.
func (r *ranges) add(s span) int64 {
	fresh := s.bytes()
	first, _ := slices.BinarySearchFunc(r.spans, s, func(have, want span) int {
		if have.end < want.from {
			return -1
		}
		return 1
	})
	last := first
	for ; last < len(r.spans) && r.spans[last].from <= s.end; last++ {
		have := r.spans[last]
		if overlap := int64(min(have.end, s.end)) - int64(max(have.from, s.from)); overlap > 0 {
			fresh -= overlap
		}
	}
	if last > first {
		s.from, s.end = min(s.from, r.spans[first].from), max(s.end, r.spans[last-1].end)
	}
	r.spans = slices.Replace(r.spans, first, last, s)
	return fresh
}
