package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/fault"
)

const (
	minInterval = 50 * time.Millisecond
	maxInterval = time.Hour
	maxTimeout  = 24 * time.Hour
	maxWait     = 365 * 24 * time.Hour
)

// durationIn returns the parser of a flag that takes a duration from least to
// most. A number without a unit is in seconds, as in docker.
func durationIn(flag string, least, most time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil {
			d, err = time.ParseDuration(text + "s")
		}
		if err != nil || d < least || d > most {
			return 0, fault.New(fault.Invalid, "%s %q is not a duration from %s to %s", flag, text, least, strings.TrimSuffix(most.String(), "0m0s")).
				WithHint("use, for example, %s 30s or %s 5m", flag, flag)
		}
		return d, nil
	}
}

// timeoutFlag adds --timeout, whose value the API takes in seconds. does is what
// it is for, and its default.
func timeoutFlag(cmd *cobra.Command, does string) *optional[float64] {
	parse := durationIn("--timeout", 0, maxTimeout)
	return optionalFlag(cmd, "timeout", "DURATION", does, func(text string) (float64, error) {
		d, err := parse(text)
		return d.Seconds(), err
	})
}

func intervalFlag(cmd *cobra.Command) *optional[time.Duration] {
	return optionalFlag(cmd, "interval", "DURATION", "refresh interval (default 2s)", durationIn("--interval", minInterval, maxInterval))
}
