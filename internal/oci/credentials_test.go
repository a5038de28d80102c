package oci_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

// TestCredentialHelpers: the registry's name goes to the helper, and a helper
// that cannot be run is not the registry's fault.
func TestCredentialHelpers(t *testing.T) {
	s, c := newServer(t), newSetup(t)
	raw := makeTar(t, "a", "one")
	ref := s.push(t, "app:1", makeImage(t, "amd64", makeLayer(t, raw, raw)))
	home, bin := t.TempDir(), t.TempDir()
	t.Setenv("DOCKER_CONFIG", home)
	t.Setenv("PATH", bin+":/bin:/usr/bin")
	config := `{"credHelpers": {"` + s.host + `": "banger-test"}}`
	if err := os.WriteFile(filepath.Join(home, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}

	_, _, err := c.pull(t.Context(), ref, nil)
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "credentials for "+s.host) || !strings.Contains(fault.HintOf(err), "PATH") {
		t.Errorf("without the helper: %s %v, hint %q", fault.CodeOf(err), err, fault.HintOf(err))
	}

	asked := filepath.Join(home, "asked")
	helper := "#!/bin/sh\ncat >" + asked + "\necho '{\"Username\": \"u\", \"Secret\": \"s\"}'\n"
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-banger-test"), []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.pull(t.Context(), ref, nil); err != nil {
		t.Errorf("with the helper: %v", err)
	}
	if host, err := os.ReadFile(asked); err != nil || strings.TrimSpace(string(host)) != s.host {
		t.Errorf("the helper was asked for %q, %v; want %q", host, err, s.host)
	}
}
