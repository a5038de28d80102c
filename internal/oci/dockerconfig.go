package oci

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
)

const maxDockerConfig = 4 << 20

// dockerKeychain reads the logins that docker and podman keep, each time again.
type dockerKeychain struct{ helpers helperRunner }

// dockerConfig is the part of docker's config.json, and of podman's auth.json,
// that is about logins.
type dockerConfig struct {
	Auths       map[string]json.RawMessage `json:"auths"`
	CredsStore  string                     `json:"credsStore"`
	CredHelpers map[string]string          `json:"credHelpers"`
}

// Resolve implements authn.Keychain.
func (k dockerKeychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), target)
}

// ResolveContext implements authn.ContextKeychain.
func (k dockerKeychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	configs, problem := readDockerConfigs()
	names, hosts := keysOf(target)
	for _, config := range configs {
		login, err := k.login(ctx, config, names, hosts)
		if login != nil || ctx.Err() != nil {
			return login, err
		}
		problem = cmp.Or(problem, err)
	}
	if problem != nil {
		return nil, problem
	}
	return authn.Anonymous, nil
}

// keysOf are the names that logins for the target may go by: its own, those of
// the paths above it, as podman has them, and those of its host.
func keysOf(target authn.Resource) (names, hosts []string) {
	host := target.RegistryStr()
	hosts = []string{host}
	if host == name.DefaultRegistry {
		hosts = append(hosts, authn.DefaultAuthKey, "docker.io")
	}
	for repo := target.String(); strings.HasPrefix(repo, host+"/"); repo = repo[:strings.LastIndexByte(repo, '/')] {
		names = append(names, repo)
		if host == name.DefaultRegistry {
			names = append(names, "docker.io"+strings.TrimPrefix(repo, host))
		}
	}
	return append(names, hosts...), hosts
}

// login is what one file knows, or nil. A helper that fails is told if the file
// itself has no login either.
func (k dockerKeychain) login(ctx context.Context, config dockerConfig, names, hosts []string) (authn.Authenticator, error) {
	var problem error
	if helper, key := config.helper(hosts); helper != "" {
		login, err := k.helpers.get(ctx, helper, key)
		if login != nil {
			return login, nil
		}
		problem = err
	}
	for _, key := range names {
		login, err := config.login(key)
		if err != nil || login != nil {
			return login, err
		}
	}
	return nil, problem
}

// helper returns the credential helper for a registry, and by what name that
// knows it.
func (c dockerConfig) helper(keys []string) (helper, key string) {
	for _, key := range keys {
		if helper := c.CredHelpers[key]; helper != "" {
			return helper, key
		}
	}
	for _, key := range keys {
		if key == authn.DefaultAuthKey {
			return c.CredsStore, key
		}
	}
	return c.CredsStore, keys[0]
}

// login returns what the file itself has for a registry, or nil.
func (c dockerConfig) login(key string) (authn.Authenticator, error) {
	raw, ok := c.Auths[key]
	for at, other := range c.Auths {
		if !ok && hostOf(at) == key {
			raw, ok = other, true
		}
	}
	if !ok {
		return nil, nil
	}
	var login authn.AuthConfig
	if err := json.Unmarshal(raw, &login); err != nil {
		return nil, fmt.Errorf("read the login for %s: %w", key, err)
	}
	if login == (authn.AuthConfig{}) {
		return nil, nil
	}
	return authn.FromConfig(login), nil
}

// hostOf is the host of a registry's URL.
func hostOf(at string) string {
	_, rest, found := strings.Cut(at, "://")
	host, _, _ := strings.Cut(cmp.Or(rest, at), "/")
	if !found {
		host, _, _ = strings.Cut(at, "/")
	}
	return host
}

// readDockerConfigs reads all files that there are. What is wrong with some of
// them is told beside the others.
func readDockerConfigs() (configs []dockerConfig, problem error) {
	for _, path := range dockerConfigPaths() {
		config, err := readDockerConfig(path)
		if errors.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			problem = cmp.Or(problem, err)
			continue
		}
		configs = append(configs, config)
	}
	return configs, problem
}

func readDockerConfig(path string) (config dockerConfig, err error) {
	f, _, err := regularfile.Open(path)
	if err != nil {
		return config, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxDockerConfig))
	if err := errors.Join(err, f.Close()); err != nil {
		return config, fmt.Errorf("read %s: %w", path, err)
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return config, fmt.Errorf("read %s: %w", path, err)
	}
	return config, nil
}

// dockerConfigPaths are docker's own file, and where podman has its.
func dockerConfigPaths() []string {
	var paths []string
	add := func(dir, file string) {
		if filepath.IsAbs(dir) {
			paths = append(paths, filepath.Join(dir, file))
		}
	}
	home, _ := os.UserHomeDir() // empty: there is none
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		add(dir, "config.json")
	} else {
		add(home, ".docker/config.json")
	}
	add(os.Getenv("REGISTRY_AUTH_FILE"), "")
	add(os.Getenv("XDG_RUNTIME_DIR"), "containers/auth.json")
	add(cmp.Or(os.Getenv("XDG_CONFIG_HOME"), filepath.Join(home, ".config")), "containers/auth.json")
	return paths
}
