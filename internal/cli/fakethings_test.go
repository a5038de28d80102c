package cli_test

import (
	"strings"
	"time"

	"github.com/bangervm/banger/internal/api"
)

var fakeTime = time.Date(2025, 11, 23, 12, 0, 0, 0, time.UTC)

// fakeBirth is when what is listed was made: always three days ago, on any day.
var fakeBirth = time.Now().UTC().Add(-73 * time.Hour).Truncate(time.Second)

func fakeVM(id, name, state string) api.VM {
	v := api.VM{
		ID: id, Name: name, State: state, Image: "debian", ImageID: "abcdef0123456789", Kernel: "debian-12",
		VCPU: 2, MemoryBytes: 2 << 30, DiskBytes: 8 << 30, Driver: "qemu-tcg", Init: "auto",
		Env: []string{"A=1"}, Labels: map[string]string{"team": "blue"}, CreatedAt: fakeBirth,
		Address: "127.128.1.7", Network: "user", GuestIP: "198.18.1.0", Egress: "all",
		Publish: []api.Publish{{Proto: "udp", HostAddress: "::1", HostPort: 5353, GuestPort: 53}},
	}
	if state == "running" {
		v.StartedAt = &fakeTime
		v.BootTimeline = &api.BootTimeline{How: "cold", Driver: "qemu-tcg", MonitorMS: 11.6, VMMMS: 52, ConnectedMS: 2398.25, ReadyMS: 3091}
		v.Runtime = &api.VMRuntime{MonitorPID: 100, VMMPID: 101, Monitor: "v1.2.3", Agent: "v1.2.3", Phase: "ready", GuestInit: "systemd", Boots: 1, ReadyAt: &fakeTime}
	}
	return v
}

// fakePublisher is a VM whose published port something else has.
func fakePublisher() api.VM {
	v := fakeVM("00000000000000e3", "publisher", "running")
	v.Publish = []api.Publish{{Proto: "tcp", HostAddress: "127.0.0.1", HostPort: 8080, GuestPort: 80}}
	return v
}

// fakeVMs are the VMs that exist. The failed one was told to say something nasty.
func fakeVMs(labels []string) []api.VM {
	broken := fakeVM("00000000000000ff", "broken", "failed")
	broken.ExitReason, broken.ExitMessage = "guest-failed", "last words: \x1b[2Jgone\nsecond line"
	broken.Labels = nil
	all := []api.VM{
		fakeVM("00000000000000aa", "web", "running"),
		fakeVM("00000000000000bb", "idle", "stopped"),
		broken,
	}
	var kept []api.VM
	for _, v := range all {
		match := true
		for _, l := range labels {
			key, value, _ := strings.Cut(l, "=")
			match = match && v.Labels[key] == value
		}
		if match {
			kept = append(kept, v)
		}
	}
	return kept
}

var fakeHealth = api.Health{
	Ready: true, Init: "systemd", Agent: "v1.2.3", BootID: "b", UptimeSeconds: 3.5, Now: fakeTime, Load1: 0.25,
	MemTotalBytes: 2 << 30, MemAvailBytes: 1 << 30, DiskSizeBytes: 8 << 30, DiskFreeBytes: 7 << 30, RoundTripNanos: 250_000,
}

var fakeImage = api.Image{
	ID: "abcdef0123456789", Name: "debian", Ref: "debian:bookworm", Digest: "sha256:00ff", Architecture: "amd64", OS: "linux",
	RootfsBytes: 300 << 20, DiskUsage: 120 << 20, Entrypoint: []string{"/entry"}, Cmd: []string{"bash"}, Env: []string{"PATH=/bin"}, ExposedPorts: []string{"53/udp", "8080/tcp"},
	VMs: 2, CreatedAt: fakeBirth,
}

var fakeAvailable = []api.AvailableKernel{
	{Name: "debian-12", State: "pulled", Version: "6.1.0-40-cloud-amd64", SizeBytes: 27 << 20, From: "apt:linux-image-cloud-amd64", Description: "for cloud machines"},
	{Name: "debian-13", State: "unavailable", Needs: "debian 13", Version: "6.12", SizeBytes: 30 << 20, From: "apt:linux-image-cloud-amd64"},
	{Name: "mine", State: "available", Version: "6.12.3", SizeBytes: 90 << 20, From: "mine.tar.zst", Catalog: "https://x/c"},
}

var fakeAvailableImages = []api.AvailableImage{
	{Name: "debian", State: "pulled", Ref: "debian:12", Description: "Debian 12"},
	{Name: "mine", State: "taken", Ref: "x.example/mine:1", Kernel: "own", MemoryBytes: 2 << 30, DiskBytes: 20 << 30, Catalog: "https://x/c"},
	{Name: "dev", State: "unavailable", Make: "make dev-image"},
}

var fakeTemplate = api.Template{
	Key: "00112233445566778899aabbccddeeff", Driver: "qemu-tcg", Kernel: "debian-12", VCPU: 2, MemoryBytes: 512 << 20, Disks: 3, Network: true,
	SizeBytes: 80 << 20, CreatedAt: fakeBirth, UsedAt: fakeBirth,
}

var fakeKernel = api.Kernel{
	Name: "debian-12", Version: "6.1.0-40-cloud-amd64", Architecture: "amd64", Source: "/tmp/k", SHA256: "00ff",
	SizeBytes: 90 << 20, Modules: 1000, ImportedAt: fakeBirth, Trust: []string{"the catalog built into banger", "apt"},
}
