package ociarchive

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/bangervm/banger/internal/image"
)

// imageConfig is an image's configuration, as the OCI image specification has it.
type imageConfig struct {
	Created      time.Time `json:"created"`
	Architecture string    `json:"architecture"`
	Variant      string    `json:"variant,omitempty"`
	OS           string    `json:"os"`
	Config       runConfig `json:"config"`
	RootFS       rootFS    `json:"rootfs"`
	History      []history `json:"history"`
}

type runConfig struct {
	User         string              `json:"User,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	Healthcheck  *healthCheck        `json:"Healthcheck,omitempty"`
}

// healthCheck is Docker's addition to the specification. Durations are nanoseconds.
type healthCheck struct {
	Test          []string
	Interval      time.Duration
	Timeout       time.Duration
	StartPeriod   time.Duration `json:",omitempty"`
	StartInterval time.Duration
	Retries       int
}

func healthCheckOf(c *image.HealthCheck) *healthCheck {
	if c == nil {
		return nil
	}
	return &healthCheck{
		Test: append([]string{"CMD"}, c.Argv...), Interval: c.Interval, Timeout: c.Timeout,
		StartPeriod: c.StartPeriod, StartInterval: c.StartInterval, Retries: c.Retries,
	}
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

// configOf is the image's configuration: that of the image below with its layers on top,
// or all that banger has of one.
func configOf(m image.Manifest, below []byte, layers []Blob, created time.Time) ([]byte, error) {
	if below != nil {
		return extended(below, layers, created)
	}
	c := m.Config
	ids, told := past(layers, created)
	return json.Marshal(imageConfig{
		Created: created, Architecture: m.Architecture, Variant: m.Variant, OS: m.OS,
		Config: runConfig{
			User: c.User, Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, WorkingDir: c.WorkingDir, Labels: c.Labels,
			StopSignal: c.StopSignal, ExposedPorts: set(c.ExposedPorts), Volumes: set(c.Volumes),
			Healthcheck: healthCheckOf(c.HealthCheck),
		},
		RootFS:  rootFS{Type: "layers", DiffIDs: ids},
		History: told,
	})
}

// past is what a configuration tells of layers.
func past(layers []Blob, created time.Time) (diffIDs []string, all []history) {
	for _, l := range layers {
		at := created
		if !l.CreatedAt.IsZero() {
			at = l.CreatedAt.UTC().Truncate(time.Second)
		}
		diffIDs, all = append(diffIDs, l.DiffID), append(all, history{Created: at, CreatedBy: l.CreatedBy})
	}
	return diffIDs, all
}

// extended is a configuration with the layers that it does not have on top. What it says
// of anything else stays as it is, and so does that it tells no history.
func extended(below []byte, layers []Blob, created time.Time) ([]byte, error) {
	all := map[string]json.RawMessage{}
	var had struct {
		RootFS  rootFS            `json:"rootfs"`
		History []json.RawMessage `json:"history"`
	}
	if err := errors.Join(json.Unmarshal(below, &all), json.Unmarshal(below, &had)); err != nil {
		return nil, err
	}
	ids, told := past(layers[min(len(had.RootFS.DiffIDs), len(layers)):], created)
	had.RootFS.DiffIDs = append(had.RootFS.DiffIDs, ids...)
	parts := map[string]any{"rootfs": had.RootFS, "created": created}
	if len(had.History) > 0 {
		for _, h := range told {
			raw, err := json.Marshal(h)
			if err != nil {
				return nil, err
			}
			had.History = append(had.History, raw)
		}
		parts["history"] = had.History
	}
	for key, part := range parts {
		raw, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		all[key] = raw
	}
	return json.Marshal(all)
}

// set is members as the specification writes sets.
func set(members []string) map[string]struct{} {
	out := make(map[string]struct{}, len(members))
	for _, m := range members {
		out[m] = struct{}{}
	}
	return out
}
