package oci

import (
	"context"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
)

// credentials is a keychain for one pull. When it cannot find out what is known
// of the registry, the pull goes on without a login, for most images need none;
// the problem is told if the registry wants one after all.
type credentials struct {
	authn.Keychain

	mu      sync.Mutex
	problem error
}

// Resolve implements authn.Keychain.
func (c *credentials) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return c.ResolveContext(context.Background(), target)
}

// ResolveContext implements authn.ContextKeychain.
func (c *credentials) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	got, err := authn.Resolve(ctx, c.Keychain, target)
	if err == nil {
		return got, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problem = err
	return authn.Anonymous, nil
}

func (c *credentials) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problem
}
