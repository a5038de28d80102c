package oci

import (
	"context"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/bangervm/banger/internal/fault"
)

// credentials is a keychain whose errors say that they are not the registry's.
type credentials struct{ authn.Keychain }

func (c credentials) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return c.ResolveContext(context.Background(), target)
}

// ResolveContext implements authn.ContextKeychain.
func (c credentials) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	got, err := authn.Resolve(ctx, c.Keychain, target)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the credentials for %s cannot be had", target.RegistryStr()).
			WithHint("a docker-credential helper must be on bangerd's PATH: after a change of it, banger daemon stop; or docker logout %s", target.RegistryStr())
	}
	return got, nil
}
