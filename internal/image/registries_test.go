package image

import (
	"errors"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func TestParseMirror(t *testing.T) {
	for s, want := range map[string]Mirror{
		"mirror.example":               {Host: "mirror.example"},
		"https://mirror.example/":      {Host: "mirror.example"},
		"Mirror.Example:5000":          {Host: "mirror.example:5000"},
		"http://localhost:5000":        {Host: "localhost:5000", PlainHTTP: true},
		"https://mirror.example/hub/a": {Host: "mirror.example", Path: "hub/a"},
		"[::1]:5000/hub":               {Host: "[::1]:5000", Path: "hub"},
		"registry-1.docker.io":         {Host: "docker.io"},
	} {
		got, err := ParseMirror(s)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", s, got, err, want)
		}
		if again, err := ParseMirror(got.String()); err != nil || again != got {
			t.Errorf("%q: %q is read as %+v, %v", s, got, again, err)
		}
	}
	for _, s := range []string{
		"", "mirror", "ftp://mirror.example", "https://", "user@mirror.example", "mirror.example/Hub", "mirror.example/hub:1",
		"mirror.example/../x", "mirror.example:port", "mirror.example?x=1", "mirror.example/a//b", "a.b c",
	} {
		if got, err := ParseMirror(s); !errors.Is(err, fault.Invalid) || fault.HintOf(err).String() == "" {
			t.Errorf("%q: %+v, %v, want Invalid with a hint", s, got, err)
		}
	}
}

func TestRepositoriesOfAMirror(t *testing.T) {
	for want, m := range map[string]Mirror{
		"mirror.example/library/debian":     {Host: "mirror.example"},
		"mirror.example/hub/library/debian": {Host: "mirror.example", Path: "hub"},
	} {
		if got := m.Repository("library/debian"); got != want {
			t.Errorf("%v: %s, want %s", m, got, want)
		}
	}
}

func TestAccessOfDockerHubByAnyOfItsNames(t *testing.T) {
	all := Registries{DockerHub: {Insecure: true}}
	for host, want := range map[string]bool{"docker.io": true, "index.docker.io": true, "Registry-1.docker.io": true, "ghcr.io": false} {
		if got := all.Of(host).Insecure; got != want {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
}

// FuzzParseMirror: what is taken is read again as the same, and names repositories
// that are references.
func FuzzParseMirror(f *testing.F) {
	for _, s := range []string{"mirror.example", "http://localhost:5000/hub", "[::1]:1/a", "https://a.b/c_d/e", "a.b/@x", "..:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMirror(s)
		if err != nil {
			return
		}
		if again, err := ParseMirror(m.String()); err != nil || again != m {
			t.Fatalf("%q: %q is read as %+v, %v", s, m, again, err)
		}
		if ref, err := ParseRef(m.Repository("library/debian") + ":1"); err != nil || ref.Kind != Registry {
			t.Fatalf("%q: %+v, %v", s, ref, err)
		}
	})
}
