package statedir

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// copySuffix ends the names of copies of images' manifests.
const copySuffix = ".json"

// ImageCopy is the copy of the manifest of the image with this id, beside its directory.
func (d Dirs) ImageCopy(id string) string { return filepath.Join(d.Images(), id+copySuffix) }

// ValidImageID keeps an id from naming anything but its own files in Images.
func ValidImageID(id string) bool {
	return len(id) >= 12 && len(id) <= 64 && strings.Trim(id, "0123456789abcdef") == ""
}

// ImageIDs are those of the images that have a directory, or a copy of their manifest,
// among the entries of Images, in order.
func ImageIDs(entries []fs.DirEntry) []string {
	var ids []string
	for _, e := range entries {
		id, isCopy := strings.CutSuffix(e.Name(), copySuffix)
		if ValidImageID(id) && e.IsDir() != isCopy {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
