package api

import "time"

// HostStats is what everything on the host takes, banger or not. Totals count from the
// host's start; what could not be measured is 0.
type HostStats struct {
	At                   time.Time `json:"at"`
	CPUs                 int       `json:"cpus"`
	CPUNanos             int64     `json:"cpu_nanos" doc:"busy, summed over the CPUs"`
	MemoryBytes          int64     `json:"memory_bytes"`
	MemoryAvailableBytes int64     `json:"memory_available_bytes" doc:"for programs, without swapping"`
	DiskBytes            int64     `json:"disk_bytes" doc:"of the filesystem with banger's state"`
	DiskAvailableBytes   int64     `json:"disk_available_bytes" doc:"for the daemon's user"`
	NetInBytes           int64     `json:"net_in_bytes" doc:"by the interfaces with a default route"`
	NetOutBytes          int64     `json:"net_out_bytes"`
}

// DiskUsage is what banger's files take on the host's disk. What several share counts
// once: in the first type of the list that has it.
type DiskUsage struct {
	Items            []DiskUse `json:"items"`
	SizeBytes        int64     `json:"size_bytes"`
	ReclaimableBytes int64     `json:"reclaimable_bytes" doc:"what a prune with all would free"`
}

// DiskUse is what the files of one type take.
type DiskUse struct {
	Type             string      `json:"type" enum:"kernels,images,vms,logs,layers,cache"`
	Count            int         `json:"count"`
	Active           int         `json:"active" doc:"how many of them are in use"`
	SizeBytes        int64       `json:"size_bytes"`
	ReclaimableBytes int64       `json:"reclaimable_bytes"`
	Entries          []DiskEntry `json:"entries"`
}

// DiskEntry is one kernel, image or VM.
type DiskEntry struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Names     []string `json:"names,omitempty" doc:"all names of an image that has several"`
	SizeBytes int64    `json:"size_bytes" doc:"what it takes beyond what those before it share with it"`
	Active    bool     `json:"active" doc:"in use"`
	Damaged   bool     `json:"damaged,omitempty" doc:"an image whose manifest is missing or damaged, or of a newer banger"`
}

// Prune asks to remove what nothing uses: images without a name and, unless
// ImagesOnly, the layer cache, unfinished downloads and templates.
type Prune struct {
	All        bool `json:"all,omitempty" doc:"images with names too"`
	ImagesOnly bool `json:"images_only,omitempty" doc:"leave the layer cache, unfinished downloads and templates"`
}

// Pruned is what a prune removed, or would.
type Pruned struct {
	Images         []DiskEntry `json:"images"`
	LayersBytes    int64       `json:"layers_bytes" doc:"of the layer cache"`
	DownloadsBytes int64       `json:"downloads_bytes" doc:"of unfinished downloads of kernels"`
	TemplatesBytes int64       `json:"templates_bytes" doc:"of templates"`
	ReclaimedBytes int64       `json:"reclaimed_bytes"`
}
