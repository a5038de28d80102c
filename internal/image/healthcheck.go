package image

import (
	"cmp"
	"slices"
	"time"
)

// HealthCheck is a command that tells whether the image's program does its work: status
// 0 says so. Its fields are as in the field Healthcheck of Docker's image specification,
// with what it leaves to the engine filled in. Durations are nanoseconds in JSON.
type HealthCheck struct {
	Argv     []string      `json:"argv"`
	Interval time.Duration `json:"interval"` // from the end of a check to the next
	Timeout  time.Duration `json:"timeout"`  // then the check is killed, and has failed
	// StartPeriod is the time that the program has to begin: until a check has succeeded,
	// failures in it do not count, and checks are StartInterval apart.
	StartPeriod   time.Duration `json:"start_period"`
	StartInterval time.Duration `json:"start_interval"`
	Retries       int           `json:"retries"` // failures in a row that make it unhealthy
}

// leastHealthTime bounds how often a check runs, and its timeout.
const leastHealthTime = time.Second

// NewHealthCheck is the check of a Dockerfile's words: test is NONE, CMD with arguments,
// or CMD-SHELL with one command, which shell runs (empty: /bin/sh -c). It returns nil for
// NONE, for no words, and for those that name no command. What of c is not positive becomes
// Docker's default, and times below a second become one.
func NewHealthCheck(test, shell []string, c HealthCheck) *HealthCheck {
	if len(test) < 2 {
		return nil
	}
	switch test[0] {
	case "CMD":
		c.Argv = slices.Clone(test[1:])
	case "CMD-SHELL":
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		c.Argv = append(slices.Clone(shell), test[1])
	default:
		return nil
	}
	or := func(given, fallback time.Duration) time.Duration {
		return max(cmp.Or(max(given, 0), fallback), leastHealthTime)
	}
	c.Interval, c.Timeout = or(c.Interval, 30*time.Second), or(c.Timeout, 30*time.Second)
	c.StartPeriod, c.StartInterval = max(c.StartPeriod, 0), or(c.StartInterval, 5*time.Second)
	if c.Retries < 1 {
		c.Retries = 3
	}
	return &c
}
