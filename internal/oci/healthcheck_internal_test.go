package oci

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// TestHealthCheckOfAConfiguration reads what docker build writes.
func TestHealthCheckOfAConfiguration(t *testing.T) {
	config, err := parseConfig([]byte(`{"os":"linux","config":{"Shell":["/bin/bash","-c"],"Healthcheck":{
		"Test":["CMD-SHELL","curl -f localhost || exit 1"],"Interval":60000000000,"Timeout":2000000000,
		"StartPeriod":10000000000,"StartInterval":3000000000,"Retries":4}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &image.HealthCheck{
		Argv: []string{"/bin/bash", "-c", "curl -f localhost || exit 1"}, Interval: time.Minute, Timeout: 2 * time.Second,
		StartPeriod: 10 * time.Second, StartInterval: 3 * time.Second, Retries: 4,
	}
	if diff := cmp.Diff(want, config.health); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	for _, text := range []string{`{}`, `{"config":{"Healthcheck":null}}`, `{"config":{"Healthcheck":{"Test":["NONE"]}}}`} {
		if config, err := parseConfig([]byte(text)); err != nil || config.health != nil {
			t.Errorf("%s: %+v, %v", text, config, err)
		}
	}
	if _, err := parseConfig([]byte(`{"config":{"Healthcheck":{"StartInterval":"soon"}}}`)); !errors.Is(err, fault.Invalid) {
		t.Errorf("an interval that is no number: %v", err)
	}
}
