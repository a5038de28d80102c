package api

import "github.com/bangervm/banger/internal/fault"

// Config is the configuration of requests that bring none of their own: config.toml and
// the variables that bangerd was started with.
type Config struct {
	File     string    `json:"file" doc:"the path of config.toml, whether or not it exists"`
	Settings []Setting `json:"settings" doc:"in the order of the documentation"`
	Problem  *Problem  `json:"problem,omitempty" doc:"why the file or a variable cannot be used; the settings are then the defaults"`
}

// Setting is one key of the configuration.
type Setting struct {
	Key    string `json:"key" doc:"as in vm.memory"`
	Value  string `json:"value" doc:"as its variable takes it"`
	TOML   string `json:"toml" doc:"as config.toml has it"`
	Env    string `json:"env" doc:"the variable that overrides it; empty: none"`
	Source string `json:"source" doc:"default, config.toml or a variable"`
	Side   string `json:"side" doc:"what it is a setting of"`
	Doc    string `json:"doc"`
}

// DoctorReport is what the doctor finds of the host.
type DoctorReport struct {
	Status string        `json:"status" enum:"ok,warn,fail" doc:"the worst of the checks"`
	Checks []DoctorCheck `json:"checks"`
}

// DoctorCheck is one check.
type DoctorCheck struct {
	Name   string `json:"name"`
	Status string `json:"status" enum:"ok,info,warn,fail"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty" doc:"what to do, as text"`
	// RemedyParts are there when the remedy proposes acts.
	RemedyParts fault.Hint `json:"remedy_parts,omitempty" doc:"the remedy in parts, as hint_parts of a problem"`
}
