package config

import (
	"encoding/base64"
	"encoding/json"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// maxWire bounds what Encode makes, in bytes.
const maxWire = 48 << 10

// wire is the configuration on its way to bangerd. Values are text, by key, so
// that neither side guesses what a field of another build means.
type wire struct {
	Values map[string]string `json:"values"`
	Files  []File            `json:"files"`
	// Catalogs are of the [[catalogs]] tables.
	Catalogs []Catalog `json:"catalogs,omitempty"`
	// Registries are of the [registry."HOST"] tables.
	Registries map[string]Registry `json:"registry,omitempty"`
	// Agent is BANGER_AGENT where it is set.
	Agent string `json:"agent,omitempty"`
}

// Encode makes the value of a request's header of all that is not the command
// line's own. agent is the path in BANGER_AGENT, or empty.
func (c Config) Encode(agent string) (string, error) {
	w := wire{Values: map[string]string{}, Files: c.Files, Catalogs: c.Catalogs, Registries: c.Registries, Agent: agent}
	for _, key := range Keys() {
		if key.Side != SideClient {
			w.Values[key.Name] = key.Value(c)
		}
	}
	data, err := json.Marshal(w)
	if err != nil {
		return "", err
	}
	text := base64.RawStdEncoding.EncodeToString(data)
	if len(text) > maxWire {
		return "", fault.New(fault.Invalid, "the configuration is too large: %d bytes", len(data)).WithHint("at most %d; shorten egress, files, catalogs or registry", maxWire/4*3)
	}
	return text, nil
}

// Decode reads what Encode made and validates it. A key that this build does
// not know is a Conflict: bangerd is older than its client.
func Decode(text string) (c Config, agent string, err error) {
	var w wire
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(data, &w)
	}
	if err != nil {
		return Config{}, "", fault.New(fault.Invalid, "cannot read the client's configuration")
	}
	c = Default()
	for _, key := range Keys() {
		value, ok := w.Values[key.Name]
		if !ok {
			continue
		}
		delete(w.Values, key.Name)
		if err := key.set(&c, value); err != nil {
			return Config{}, "", fault.Wrap(fault.Invalid, err, "%s", key.Name)
		}
	}
	for name := range w.Values {
		return Config{}, "", fault.New(fault.Conflict, "this bangerd does not know the client's setting %q", name).
			WithHint("%s, then try again", act.DaemonStop.Do())
	}
	c.Files, c.Catalogs, c.Registries = w.Files, w.Catalogs, w.Registries
	return c, w.Agent, c.validate()
}
