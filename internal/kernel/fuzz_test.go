package kernel

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
)

// FuzzParseBundle: what is taken names files of one directory, once each.
func FuzzParseBundle(f *testing.F) {
	f.Add([]byte(`{"format":1,"version":"6.1.0","modules":2,"boot_modules":["a.ko"],"late_modules":["b.ko"],"module_devices":{"b.ko":2}}`))
	f.Add([]byte(`{"format":1,"version":"../x","boot_modules":["../a.ko"]}`))
	f.Add([]byte(`{"format":2,"version":"6.1.0"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ParseBundle(data)
		if err != nil {
			return
		}
		all := slices.Concat(b.BootModules, b.LateModules)
		for i, name := range all {
			if filepath.Base(name) != name || !filepath.IsLocal(name) || slices.Contains(all[:i], name) {
				t.Errorf("module %q", name)
			}
		}
		if filepath.Base(b.Version) != b.Version || !filepath.IsLocal(b.Version) {
			t.Errorf("version %q", b.Version)
		}
	})
}

// FuzzEntry: a valid entry's name is a directory's, and its package no option.
func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"name":"k","distro":"debian","release":"12","arch":"amd64","kernel_version":"6.1","apt_package":"linux-image","size_bytes":1}`))
	f.Add([]byte(`{"name":"..","distro":"x","arch":"amd64","kernel_version":"6.1","tarball_url":"file:///etc/shadow","size_bytes":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Entry
		if json.Unmarshal(data, &e) != nil || e.Validate("https://x/c.json") != nil {
			return
		}
		if !filepath.IsLocal(e.Name) || filepath.Base(e.Name) != e.Name || e.AptPackage != "" && (e.AptPackage[0] == '-' || e.Release == "") {
			t.Errorf("%+v", e)
		}
	})
}
