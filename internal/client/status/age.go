package status

import (
	"fmt"
	"time"
)

// Age is how long before now t was, as Span words it; a t after now counts as now.
func Age(now, t time.Time) string { return Span(max(now.Sub(t), 0)) }

// Span is a duration as people say it: "38 s", "4 min", "1 h 12 min", "2 d".
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < day && d.Truncate(time.Minute)%time.Hour == 0:
		return fmt.Sprintf("%d h", int(d.Hours()))
	case d < day:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d d", int(d/day))
	}
}
