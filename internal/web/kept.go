package web

import (
	"encoding/json"
	"html/template"
	"sync"
)

// maxKept bounds the parts that are kept: two for each of some thousands of VMs.
const maxKept = 1 << 13

// kept are parts of pages as they were rendered last, by part and ID. A page of many VMs is
// made of those that are as they were. It is safe for concurrent use.
type kept struct {
	mu    sync.Mutex
	parts map[[2]string]keptPart
}

type keptPart struct{ view, html string }

// keep is part, which is rendered again only if view differs from that of the last time.
// A view differs if its JSON does: what is not in that must not be shown.
func (p *pages) keep(part, id string, view any) (template.HTML, error) {
	text, err := json.Marshal(view)
	if err != nil {
		return "", err
	}
	key := [2]string{part, id}
	p.kept.mu.Lock()
	had, ok := p.kept.parts[key]
	p.kept.mu.Unlock()
	if ok && had.view == string(text) {
		return template.HTML(had.html), nil //nolint:gosec // a template made it
	}
	html, err := p.part(part, view)
	if err != nil {
		return "", err
	}
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	if p.kept.parts == nil || len(p.kept.parts) >= maxKept {
		p.kept.parts = map[[2]string]keptPart{}
	}
	p.kept.parts[key] = keptPart{string(text), html}
	return template.HTML(html), nil //nolint:gosec // a template made it
}
