package config

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
)

// Catalog is one [[catalogs]] table: a catalog of kernels and images, and what
// makes it trusted.
type Catalog struct {
	// URL is an https: or file: URL; in the file also an absolute path or one that
	// begins with "~/".
	URL string `toml:"url" json:"url"`
	// Key is the publisher's minisign public key; SHA256 the hash of the catalog.
	// One of both is set.
	Key    string `toml:"key" json:"key,omitempty"`
	SHA256 string `toml:"sha256" json:"sha256,omitempty"`
}

func (c *Catalog) complete() error {
	path := c.URL
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "url %q", c.URL)
		}
		path = filepath.Join(home, rest)
	}
	if filepath.IsAbs(path) {
		c.URL = (&url.URL{Scheme: "file", Path: filepath.Clean(path)}).String()
	}
	return c.Source().Validate()
}

// CatalogSources are the catalogs of all tables.
func (c Config) CatalogSources() []catalog.Source {
	var all []catalog.Source
	for _, table := range c.Catalogs {
		all = append(all, table.Source())
	}
	return all
}

// Source is the catalog as package catalog has it.
func (c Catalog) Source() catalog.Source {
	return catalog.Source{URL: c.URL, Key: c.Key, SHA256: c.SHA256}
}
