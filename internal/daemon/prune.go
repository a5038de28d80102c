package daemon

import (
	"context"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/operation"
)

// Prunable implements server.System.
func (d systemFiles) Prunable(ctx context.Context, req api.Prune) (api.Pruned, error) {
	usage, err := d.DiskUsage(ctx)
	if err != nil {
		return api.Pruned{}, err
	}
	unused, err := d.images.Unused(ctx, req.All)
	if err != nil {
		return api.Pruned{}, err
	}
	may := make(map[string]bool, len(unused))
	for _, m := range unused {
		may[m.ID] = true
	}
	out := api.Pruned{Images: []api.DiskEntry{}}
	for _, use := range usage.Items {
		switch use.Type {
		case "images":
			for _, e := range use.Entries {
				if may[e.ID] {
					out.Images = append(out.Images, e)
					out.ReclaimedBytes += e.SizeBytes
				}
			}
		case "layers":
			if !req.ImagesOnly {
				out.LayersBytes = use.ReclaimableBytes
				out.ReclaimedBytes += out.LayersBytes
			}
		case "cache":
			if !req.ImagesOnly {
				out.DownloadsBytes = use.ReclaimableBytes - templatesOf(use)
				out.ReclaimedBytes += out.DownloadsBytes
			}
		}
	}
	if req.ImagesOnly {
		return out, nil
	}
	templates, err := d.templates.List(ctx)
	for _, t := range templates {
		out.TemplatesBytes += t.Bytes
	}
	out.ReclaimedBytes += out.TemplatesBytes
	return out, err
}

// Prune implements server.System. It has the stages images, layers, downloads and templates. What somebody
// began to use meanwhile stays.
func (d systemFiles) Prune(ctx context.Context, req api.Prune, p operation.Progress) (api.Pruned, error) {
	could, err := d.Prunable(ctx, req)
	if err != nil {
		return api.Pruned{}, err
	}
	p.Stage("images")
	out := api.Pruned{Images: []api.DiskEntry{}}
	for i, e := range could.Images {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		p.Count(int64(i), int64(len(could.Images)), "images")
		gone, err := d.images.Prune(ctx, e.ID, req.All)
		if err != nil {
			return out, err
		}
		if gone {
			out.Images = append(out.Images, e)
			out.ReclaimedBytes += e.SizeBytes
		}
	}
	if req.ImagesOnly {
		return out, nil
	}
	p.Stage("layers")
	out.LayersBytes, err = d.layers.PruneCache(ctx)
	out.ReclaimedBytes += out.LayersBytes
	if err != nil {
		return out, err
	}
	p.Stage("downloads")
	out.DownloadsBytes, err = d.downloads.Prune(ctx)
	out.ReclaimedBytes += out.DownloadsBytes
	if err != nil {
		return out, err
	}
	p.Stage("templates")
	gone, err := d.templates.Prune(ctx)
	for _, t := range gone {
		out.TemplatesBytes += t.Bytes
		out.ReclaimedBytes += t.Bytes
	}
	return out, err
}

// templatesOf is what of the type cache is templates.
func templatesOf(cache api.DiskUse) int64 {
	for _, e := range cache.Entries {
		if e.Name == entryTemplates {
			return e.SizeBytes
		}
	}
	return 0
}
