package api

import (
	"encoding/json"
	"time"
)

// Operation is long work, which outlives the connection that began it.
type Operation struct {
	ID        string          `json:"id"`
	Kind      string          `json:"kind" doc:"vm.create, image.pull, …"`
	Subject   string          `json:"subject" doc:"the name of what it works on"`
	State     string          `json:"state" enum:"running,succeeded,failed,canceled"`
	Stages    []Stage         `json:"stages"`
	Problem   *Problem        `json:"problem,omitempty"`
	Result    json.RawMessage `json:"result,omitempty" doc:"what was created: a VM, an image, a kernel"`
	CreatedAt time.Time       `json:"created_at"`
	EndedAt   *time.Time      `json:"ended_at"`
}

// Stage is one named part of an operation.
type Stage struct {
	Name      string     `json:"name"`
	State     string     `json:"state" enum:"running,done,failed"`
	Detail    string     `json:"detail,omitempty"`
	Done      int64      `json:"done,omitempty"`
	Total     int64      `json:"total,omitempty" doc:"0 if unknown"`
	Unit      string     `json:"unit,omitempty" doc:"bytes, or empty"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}
