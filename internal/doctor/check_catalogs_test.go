package doctor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/bangervm/banger/internal/catalog"
)

// configured is a catalog with a pinned hash, and its copy.
func configured(document string) (catalog.Source, catalog.Copy) {
	sum := sha256.Sum256([]byte(document))
	src := catalog.Source{URL: "https://kernels.example/catalog.json", SHA256: hex.EncodeToString(sum[:])}
	return src, catalog.Copy{URL: src.URL, FetchedAt: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Data: []byte(document)}
}

func TestCatalogs(t *testing.T) {
	for name, c := range map[string]struct {
		document string
		change   func(src *catalog.Source, kept *catalog.Copy)
		status   Status
		reason   string
	}{
		"good":     {`{"format":1,"version":7,"expires":"2026-03-02T00:00:00Z"}`, nil, OK, "catalog.json (version 7)"},
		"expired":  {`{"format":1,"version":7,"expires":"2026-02-28T00:00:00Z"}`, nil, Warn, "expired on 2026-02-28"},
		"unsigned": {`{"format":1,"version":7}`, func(src *catalog.Source, _ *catalog.Copy) { src.SHA256 = "" }, Warn, "has neither key nor sha256"},
		"never":    {`{"format":1,"version":7}`, func(_ *catalog.Source, kept *catalog.Copy) { kept.URL = "" }, Info, "has not read https://kernels.example/catalog.json yet"},
		"another":  {`{"format":1,"version":7}`, func(_ *catalog.Source, kept *catalog.Copy) { kept.Data = []byte("{}") }, Warn, "has the sha256"},
		"a try only": {`{"format":1,"version":7}`, func(_ *catalog.Source, kept *catalog.Copy) {
			kept.Data, kept.Refused, kept.RefusedAt = nil, "no route to host", time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)
		}, Warn, "cannot read the catalog https://kernels.example/catalog.json since 2026-02-03: no route to host"},
		"rollback": {`{"format":1,"version":7}`, func(_ *catalog.Source, kept *catalog.Copy) {
			kept.Refused, kept.RefusedAt = "it went back from version 7 to 6", time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)
		}, Warn, "the copy of the catalog https://kernels.example/catalog.json of 2026-02-01 is in use; banger cannot renew it since 2026-02-03: it went back from version 7 to 6"},
	} {
		t.Run(name, func(t *testing.T) {
			w, files := healthy()
			src, kept := configured(c.document)
			if c.change != nil {
				c.change(&src, &kept)
			}
			data, err := json.Marshal(kept)
			if err != nil {
				t.Fatal(err)
			}
			if kept.URL != "" {
				files[rooted(w.Dirs.Catalog(src.ID()))] = file(string(data))
			}
			w.Settings.Catalogs = []catalog.Source{src}
			got := checkCatalogs(t.Context(), w)
			if got.status != c.status || !strings.Contains(got.reason, c.reason) || (c.status == Warn) != (len(got.remedy) > 0) {
				t.Errorf("%s: %s (%s), want %s: %s", got.status, got.reason, got.remedy, c.status, c.reason)
			}
		})
	}
}

func TestADamagedCopyOfACatalog(t *testing.T) {
	w, files := healthy()
	src, _ := configured(`{"format":1,"version":7}`)
	files[rooted(w.Dirs.Catalog(src.ID()))] = file(strings.Repeat(" ", maxCopy) + "{}")
	w.Settings.Catalogs = []catalog.Source{src}
	if got := checkCatalogs(t.Context(), w); got.status != Warn || !strings.Contains(got.reason, "is damaged") {
		t.Errorf("%s: %s", got.status, got.reason)
	}
}

func TestAgents(t *testing.T) {
	for name, c := range map[string]struct {
		presets []string
		files   []string
		status  Status
		reason  string
	}{
		"no preset":             {nil, nil, OK, "no preset"},
		"logged in":             {[]string{"claude", "codex"}, []string{".claude/.credentials.json", ".codex/auth.json"}, OK, "files of claude, codex"},
		"one is not":            {[]string{"claude", "codex"}, []string{".claude/.credentials.json"}, Warn, "preset codex copies no credentials to VMs: ~/.codex/auth.json does not exist"},
		"settings only":         {[]string{"claude"}, []string{".claude.json"}, Warn, "preset claude copies no credentials"},
		"one that needs none":   {[]string{"opencode"}, nil, Info, "preset opencode copies nothing"},
		"a name that is no one": {[]string{"emacs"}, nil, OK, "no preset"},
	} {
		t.Run(name, func(t *testing.T) {
			w, files := healthy()
			w.Settings.Presets = c.presets
			for _, f := range c.files {
				files["home/ann/"+f] = &fstest.MapFile{Data: []byte("{}"), Mode: 0o600}
			}
			got := checkAgents(t.Context(), w)
			if got.status != c.status || !strings.Contains(got.reason, c.reason) || (c.status == Warn) != (len(got.remedy) > 0) {
				t.Errorf("%s: %s (%s), want %s: %s", got.status, got.reason, got.remedy, c.status, c.reason)
			}
		})
	}
}
