package daemon

import (
	"context"
	"errors"

	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/download"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernelbundle"
	"github.com/bangervm/banger/internal/operation"
)

// catalogSources implements kernel.Catalogs and image.Catalogs: the catalogs of the request's
// configuration.
type catalogSources struct {
	service *catalog.Service
	set     *settings
}

func (c catalogSources) Load(ctx context.Context) ([]catalog.Catalog, []error) {
	return c.service.Load(ctx, c.set.catalogs(ctx))
}

// bundles implements kernel.Bundles.
type bundles struct{ downloads *download.Client }

func (b bundles) Unpack(ctx context.Context, url, sha256 string, size int64, dir string, p operation.Progress) (from string, err error) {
	p.Stage(kernel.StageDownload)
	p.Detail("%s", url)
	fetched, err := b.downloads.File(ctx, url, sha256, size, p)
	if err != nil {
		return "", err
	}
	defer fetched.Close() //nolint:errcheck // read only
	p.Stage(kernel.StageUnpack)
	if err := kernelbundle.Unpack(ctx, fetched, dir); err != nil {
		if ctx.Err() != nil { // the next try goes on from it
			return "", err
		}
		return "", errors.Join(err, fetched.Remove())
	}
	return fetched.URL, fetched.Remove()
}
