package cli_test

import (
	"strings"

	"github.com/bangervm/banger/internal/api"
)

var fakeUsage = api.DiskUsage{SizeBytes: 300 << 20, ReclaimableBytes: 180 << 20, Items: []api.DiskUse{
	{Type: "images", Count: 2, Active: 1, SizeBytes: 200 << 20, ReclaimableBytes: 80 << 20, Entries: []api.DiskEntry{
		{ID: "abcdef0123456789", Name: "debian", SizeBytes: 120 << 20, Active: true},
		{ID: "bbcdef0123456789", SizeBytes: 80 << 20},
	}},
	{Type: "layers", Count: 1, SizeBytes: 100 << 20, ReclaimableBytes: 100 << 20, Entries: []api.DiskEntry{{Name: "layers", SizeBytes: 100 << 20}}},
}}

// fakeRepaired is a repair of an image that was damaged, or was whole, or lost layers.
func fakeRepaired(name string) api.RepairedImage {
	done := api.RepairedImage{Image: fakeImage, Changed: name != "whole"}
	if done.Name = name; name == "lost" {
		done.Ref, done.LostLayers, done.Lost = "vm:web", 2, "layer 7 has changed"
	}
	return done
}

// fakePruned is what can be pruned: of all images three. After one prune that is a download
// which was broken off, and after two nothing.
func fakePruned(all bool, prunes int) api.Pruned {
	switch prunes {
	case 0:
	case 1:
		return api.Pruned{Images: []api.DiskEntry{}, DownloadsBytes: 7 << 20, ReclaimedBytes: 7 << 20}
	default:
		return api.Pruned{Images: []api.DiskEntry{}}
	}
	p := api.Pruned{Images: []api.DiskEntry{{ID: "bbcdef0123456789", SizeBytes: 80 << 20}}, LayersBytes: 100 << 20, DownloadsBytes: 5 << 20, ReclaimedBytes: 185 << 20}
	if all {
		p.Images = append(p.Images, api.DiskEntry{ID: "abcdef0123456789", Name: "debian", Names: []string{"debian", "base"}, SizeBytes: 120 << 20})
		p.Images = append(p.Images, api.DiskEntry{ID: "ddcdef0123456789", Damaged: true, SizeBytes: 1 << 20})
		p.ReclaimedBytes += 121 << 20
	}
	return p
}

// prunes is how many were asked for, the one that is being answered included.
func (d *fakeDaemon) prunes() int { return strings.Count(d.requests(), "POST /system/prune") }
