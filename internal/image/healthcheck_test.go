package image

import (
	"reflect"
	"testing"
	"time"
)

func TestHealthChecksOfDockerfiles(t *testing.T) {
	defaults := func(argv ...string) *HealthCheck {
		return &HealthCheck{Argv: argv, Interval: 30 * time.Second, Timeout: 30 * time.Second, StartInterval: 5 * time.Second, Retries: 3}
	}
	for name, tc := range map[string]struct {
		test, shell []string
		given       HealthCheck
		want        *HealthCheck
	}{
		"none":                {test: []string{"NONE"}},
		"inherited":           {},
		"no command":          {test: []string{"CMD"}},
		"unknown":             {test: []string{"HTTP", "/"}},
		"exec":                {test: []string{"CMD", "curl", "-f", "x"}, want: defaults("curl", "-f", "x")},
		"shell":               {test: []string{"CMD-SHELL", "a || b"}, want: defaults("/bin/sh", "-c", "a || b")},
		"the image's shell":   {test: []string{"CMD-SHELL", "a"}, shell: []string{"/bin/bash", "-ec"}, want: defaults("/bin/bash", "-ec", "a")},
		"nothing is negative": {test: []string{"CMD", "a"}, given: HealthCheck{Interval: -1, Timeout: -1, StartPeriod: -1, StartInterval: -1, Retries: -1}, want: defaults("a")},
		"a nanosecond": {
			test: []string{"CMD", "a"}, given: HealthCheck{Interval: 1, Timeout: 1, StartInterval: 1, StartPeriod: 1, Retries: 1},
			want: &HealthCheck{Argv: []string{"a"}, Interval: time.Second, Timeout: time.Second, StartPeriod: 1, StartInterval: time.Second, Retries: 1},
		},
	} {
		if got := NewHealthCheck(tc.test, tc.shell, tc.given); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}
