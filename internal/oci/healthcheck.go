package oci

import (
	"encoding/json"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// healthCheck reads the field Healthcheck of a configuration, which is Docker's addition
// to the OCI image specification. The library's type has no StartInterval. Nil: there is none.
func healthCheck(rawConfig []byte) (*image.HealthCheck, error) {
	var doc struct {
		Config struct {
			Shell       []string
			Healthcheck struct {
				Test                                          []string
				Interval, Timeout, StartPeriod, StartInterval time.Duration
				Retries                                       int
			}
		} `json:"config"`
	}
	if err := json.Unmarshal(rawConfig, &doc); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot read the health check in the image's configuration")
	}
	h := doc.Config.Healthcheck
	return image.NewHealthCheck(h.Test, doc.Config.Shell, image.HealthCheck{
		Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
	}), nil
}
