package web

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
)

// functions are what templates can call. They return text, which the templates
// escape, or markup that holds nothing but constants of the templates.
func (p *pages) functions() template.FuncMap {
	return template.FuncMap{
		"version":   func() string { return p.version },
		"asset":     func(file string) string { return assetPath + p.version + "/" + file },
		"icon":      p.icon,
		"keep":      p.keep,
		"bytes":     fault.Bytes,
		"count":     fault.Count,
		"clock":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"state":     func(state string) mark { return mark{State: state, Icon: stateIcon(state)} },
		"withToken": func(v operationView, token string) operationView { v.Token = token; return v },
		"pairs":     pairs,
		"address":   addressParts,
		"drivers":   config.DriverNames,
	}
}

// icon is one of icons.svg, which the page's constant text names.
func (p *pages) icon(name string, classes ...string) template.HTML {
	class := strings.Join(append([]string{"i"}, classes...), " ")
	//nolint:gosec // both come from the templates and from stateIcon, never from outside
	return template.HTML(fmt.Sprintf(`<svg class="%s" aria-hidden="true"><use href="%s%s/icons.svg#i-%s"/></svg>`,
		template.HTMLEscapeString(class), assetPath, p.version, template.HTMLEscapeString(name)))
}

// maxPort is the longest end of an address, in bytes, that is its port.
const maxPort = len(":65535/")

// mark is a state as its shape and its word.
type mark struct{ State, Icon string }

// Turning reports whether the shape turns.
func (m mark) Turning() bool { return m.Icon == "starting" }

func stateIcon(state string) string {
	switch state {
	case api.VMRunning, api.VMPaused, api.VMStopped, api.VMFailed:
		return state
	case api.VMSuspended:
		return "paused"
	case api.VMStarting, api.VMStopping:
		return "starting"
	case api.OperationSucceeded, api.SessionExited:
		return "done"
	case api.OperationCanceled:
		return "deny"
	case api.SessionLost:
		return "failed"
	default:
		return "idle"
	}
}

// age is a moment for a page: what it says, and the attribute of <time>.
type age struct{ Text, Stamp string }

func ageOf(now time.Time, t *time.Time) age {
	if t == nil || t.IsZero() {
		return age{}
	}
	return age{Text: status.Age(now, *t), Stamp: t.UTC().Format(time.RFC3339)}
}

// addressParts are those of an address between which a line may break: before its port.
func addressParts(address string) []string {
	if at := strings.LastIndexByte(address, ':'); at > 0 && len(address)-at <= maxPort {
		return []string{address[:at], address[at:]}
	}
	return []string{address}
}

// pairs makes the argument of a part that takes several: pairs "key" value ….
func pairs(keysAndValues ...any) (map[string]any, error) {
	if len(keysAndValues)%2 != 0 {
		return nil, fmt.Errorf("pairs: %d arguments", len(keysAndValues))
	}
	m := make(map[string]any, len(keysAndValues)/2)
	for i := 0; i < len(keysAndValues); i += 2 {
		key, ok := keysAndValues[i].(string)
		if !ok {
			return nil, fmt.Errorf("pairs: %v is no key", keysAndValues[i])
		}
		m[key] = keysAndValues[i+1]
	}
	return m, nil
}
