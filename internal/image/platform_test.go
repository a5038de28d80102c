package image_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

func TestParsePlatform(t *testing.T) {
	for text, want := range map[string]image.Platform{
		"": {}, "linux/arm64": {Architecture: "arm64"}, "linux/aarch64": {Architecture: "arm64"}, "linux/x86_64": {Architecture: "amd64"},
		"linux/arm/v7": {Architecture: "arm", Variant: "v7"}, "linux/amd64/v3": {Architecture: "amd64", Variant: "v3"},
	} {
		if got, err := image.ParsePlatform(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"arm64", "linux", "linux/", "/arm64", "windows/amd64", "linux/amd46", "linux/arm/", "linux/arm/7", "linux/arm/v7/x", "linux/arm/v",
		"linux/arm64 ", "linux/arm/v" + strings.Repeat("1", 1000), "linux/arm64\n",
	} {
		_, err := image.ParsePlatform(text)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(fault.HintOf(err).String(), "linux/arm64") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPullForAnotherPlatform(t *testing.T) {
	f := newFixture()
	f.source.arch, f.source.variant = "arm", "v7"
	m, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Platform: "linux/arm/v7"}, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	want := image.Platform{Architecture: "arm", Variant: "v7"}
	if f.source.platform != want || m.Architecture != "arm" || m.Variant != "v7" {
		t.Errorf("asked for %v, got %s/%s", f.source.platform, m.Architecture, m.Variant)
	}
	if err := m.Bootable("amd64"); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "linux/arm/v7, and this host is linux/amd64") ||
		!strings.Contains(fault.HintOf(err).String(), "debian:12") {
		t.Errorf("%v (%s)", err, fault.HintOf(err))
	}
	if err := m.Bootable("arm"); err != nil {
		t.Error(err)
	}
	f.source.platform = image.Platform{}
	f.store.disk.files[f.Rootfs(m.Manifest)] = fakeFile{}
	if _, err := f.Repair(t.Context(), m.ID, &stages{}); err != nil || f.source.platform != want {
		t.Errorf("repair asks for %v: %v", f.source.platform, err)
	}
	if _, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Platform: "arm64"}, &stages{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a bad platform: %v", err)
	}
}

// TestATakenNameIsToldWithThePlatform: the proposed pulls are for what was asked for.
func TestATakenNameIsToldWithThePlatform(t *testing.T) {
	f := newFixture()
	if _, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12"}, &stages{}); err != nil {
		t.Fatal(err)
	}
	f.source.digest = "sha256:" + strings.Repeat("b", 64)
	for platform, times := range map[string]int{"": 0, "linux/arm64": 2} {
		_, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Platform: platform}, &stages{})
		hint := fault.HintOf(err).String()
		if !errors.Is(err, fault.Conflict) || strings.Count(hint, "platform") != times {
			t.Errorf("for %q: %v (%s), want the platform %d times", platform, err, hint, times)
		}
	}
}

// TestSameTarForTwoPlatforms: a tar does not say what it is for.
func TestSameTarForTwoPlatforms(t *testing.T) {
	f := newFixture()
	f.source.late, f.source.arch = true, "arm64"
	arm, err := f.Pull(t.Context(), image.PullRequest{Ref: "tar:/a", Name: "arm", Platform: "linux/arm64"}, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	f.source.arch = "amd64"
	ours, err := f.Pull(t.Context(), image.PullRequest{Ref: "tar:/a", Name: "ours"}, &stages{})
	if err != nil || ours.ID == arm.ID || ours.Architecture != "amd64" {
		t.Errorf("%+v, %v; the other is %s", ours.Manifest, err, arm.ID)
	}
}

// TestObtainForAPlatform pulls for it, and takes no local image of another variant.
func TestObtainForAPlatform(t *testing.T) {
	f := newFixture()
	want := image.Platform{Architecture: "arm", Variant: "v7"}
	f.source.arch, f.source.variant = "arm", "v7"
	if _, err := f.Obtain(t.Context(), "debian:12", "linux/arm/v7", &stages{}); err != nil || f.source.platform != want {
		t.Fatalf("asked for %v: %v", f.source.platform, err)
	}
	for _, platform := range []string{"", "linux/arm", "linux/arm/v7"} {
		if _, err := f.Obtain(t.Context(), "debian:12", platform, &stages{}); err != nil {
			t.Errorf("for %q: %v", platform, err)
		}
	}
	if _, err := f.Obtain(t.Context(), "debian:12", "linux/arm/v6", &stages{}); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "linux/arm/v6") {
		t.Errorf("for another variant: %v", err)
	}
	if _, err := f.Obtain(t.Context(), "debian:12", "arm", &stages{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("for no platform: %v", err)
	}
}
