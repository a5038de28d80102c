package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/bangervm/banger/internal/plain"
)

//go:embed templates
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

const (
	assetPath = "/assets/"
	// layout has the frame of all pages and the parts that they share.
	layoutFile = "templates/layout.html"
	// partFiles have parts that several pages share.
	partFiles = "templates/parts/*.html"
)

// pages are the parsed templates and the assets.
type pages struct {
	templates map[string]*template.Template
	parts     *template.Template // what pages share, and what changes while they are open
	assets    map[string]asset   // by the path that pages name
	version   string             // of the assets: a new one makes browsers load them again
	kept      kept
}

type asset struct {
	kind string
	data []byte
}

func loadPages() (*pages, error) {
	p := &pages{templates: map[string]*template.Template{}, assets: map[string]asset{}}
	if err := p.loadAssets(); err != nil {
		return nil, err
	}
	layout, err := template.New("layout").Funcs(p.functions()).ParseFS(templateFiles, layoutFile, partFiles)
	if err != nil {
		return nil, err
	}
	p.parts, err = layout.Clone()
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if file == layoutFile {
			continue
		}
		page, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if _, err := page.ParseFS(templateFiles, file); err != nil {
			return nil, err
		}
		p.templates[strings.TrimSuffix(path.Base(file), ".html")] = page
	}
	return p, nil
}

func (p *pages) loadAssets() error {
	sum := sha256.New()
	err := fs.WalkDir(assetFiles, "assets", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := assetFiles.ReadFile(file)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", file, len(data), data)
		p.assets[strings.TrimPrefix(file, "assets/")] = asset{kind: mime.TypeByExtension(path.Ext(file)), data: data}
		return nil
	})
	p.version = hex.EncodeToString(sum.Sum(nil))[:12]
	return err
}

// isAsset reports whether a request is for an asset: those are the same for everybody.
func isAsset(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, assetPath) }

// asset serves /assets/VERSION/FILE. An asset of another version is gone: the page
// that names it is of another build, and is to be loaded again.
func (c *Console) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := c.pages.assets[r.PathValue("file")]
	if !ok || r.PathValue("version") != c.pages.version {
		c.refuse(w, r, http.StatusNotFound, "There is no such file.")
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	http.ServeContent(w, r, "", c.started, bytes.NewReader(a.data))
}

// icon is for pages that name none, such as that of a link.
func (c *Console) icon(w http.ResponseWriter, r *http.Request) {
	r.SetPathValue("file", "icon.svg")
	r.SetPathValue("version", c.pages.version)
	c.asset(w, r)
}

// write renders a page. It is rendered whole before the first byte goes out, so that
// a page never ends in the middle.
func (p *pages) write(w http.ResponseWriter, status int, name, part string, data any) error {
	page, ok := p.templates[name]
	if !ok {
		return fmt.Errorf("no page %q", name)
	}
	var buf bytes.Buffer
	if err := page.ExecuteTemplate(&buf, part, data); err != nil {
		w.WriteHeader(http.StatusInternalServerError) // else it would be an empty page that is fine
		return fmt.Errorf("render the page %q: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := io.WriteString(w, visible(&buf))
	return err
}

// visible is what was rendered, without what is not seen or turns the writing round: in
// text of a guest or of a repository that would show another name than the true one.
func visible(rendered *bytes.Buffer) string { return plain.Lines(rendered.String(), rendered.Len()) }

// part renders a part of a page by its name.
func (p *pages) part(name string, data any) (string, error) {
	var buf bytes.Buffer
	if err := p.parts.ExecuteTemplate(&buf, name, data); err != nil {
		return "", fmt.Errorf("render the part %q: %w", name, err)
	}
	return visible(&buf), nil
}
