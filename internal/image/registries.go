package image

import (
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// Access is how to reach a registry.
type Access struct {
	// Mirrors are asked in their order before the registry itself.
	Mirrors []Mirror
	// CAFile has more certificates that may vouch for the registry, and for who
	// gives out its tokens and blobs: an absolute path to PEM, or empty.
	CAFile string
	// Insecure allows plain HTTP, and certificates that nobody vouches for.
	Insecure bool
}

// Mirror is a registry that has the repositories of another.
type Mirror struct {
	Host      string // HOST[:PORT]
	Path      string // what stands before the repositories' names there, or empty
	PlainHTTP bool   // it may be asked by plain HTTP
}

// Registries are those whose access the user has set, by HOST[:PORT].
type Registries map[string]Access

// DockerHub is the host of the registry whose name references leave out.
const DockerHub = "docker.io"

// Of is the access to the registry at host; its zero value unless the user has set
// another.
func (r Registries) Of(host string) Access { return r[RegistryName(host)] }

// RegistryName is host as people know it: docker.io has several.
func RegistryName(host string) string {
	switch host = strings.ToLower(host); host {
	case "index.docker.io", "registry-1.docker.io":
		return DockerHub
	}
	return host
}

// ParseRegistryHost returns the name of the registry at HOST[:PORT]. Anything else
// is Invalid.
func ParseRegistryHost(s string) (string, error) {
	if isPath(s) || !isHost(s) || !validHost(s) {
		return "", fault.New(fault.Invalid, "%q is not a registry's HOST or HOST:PORT", s).
			WithHint(`for example docker.io, localhost:5000 or registry.example.com`)
	}
	return RegistryName(s), nil
}

// ParseMirror parses HOST[:PORT][/PATH], perhaps after https:// or http://, which
// allows plain HTTP. Anything else is Invalid.
func ParseMirror(s string) (Mirror, error) {
	rest, plain := strings.CutPrefix(s, "http://")
	if !plain {
		rest = strings.TrimPrefix(s, "https://")
	}
	host, path, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	host, err := ParseRegistryHost(host)
	if err != nil {
		return Mirror{}, err
	}
	if path != "" {
		if _, err := parseRegistryRef(host + "/" + path); err != nil || strings.ContainsAny(path, ":@") {
			return Mirror{}, fault.New(fault.Invalid, "%q is not a mirror", s).WithHint("HOST, HOST:PORT or HOST/PATH, perhaps after http://")
		}
	}
	return Mirror{Host: host, Path: path, PlainHTTP: plain}, nil
}

// String is the mirror as ParseMirror reads it.
func (m Mirror) String() string {
	s := m.Host
	if m.Path != "" {
		s += "/" + m.Path
	}
	if m.PlainHTTP {
		s = "http://" + s
	}
	return s
}

// Repository is the name that a repository of the mirrored registry has there.
func (m Mirror) Repository(name string) string {
	if m.Path != "" {
		name = m.Path + "/" + name
	}
	return m.Host + "/" + name
}
