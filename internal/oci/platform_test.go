package oci_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// TestPlatform: what is asked for on an amd64 host of level 3, from a registry and
// from an index.json.
func TestPlatform(t *testing.T) {
	of := func(which, platform string) member { return member{which: which, platform: platform, config: platform} }
	plain, v3rd, v4th := of("plain", "linux/amd64"), of("v3", "linux/amd64/v3"), of("v4", "linux/amd64/v4")
	arm6, arm7, arm8, s390 := of("arm6", "linux/arm/v6"), of("arm7", "linux/arm/v7"), of("arm8", "linux/arm64"), of("s390", "linux/s390x")
	s := newServer(t)
	for asked, test := range map[string]struct {
		members []member
		want    string // which, or a part of the error
	}{
		"linux/arm64":    {[]member{plain, arm7, arm8}, "arm8"},
		"linux/arm64/v8": {[]member{plain, arm7, arm8}, "arm8"},
		"linux/arm64/v9": {[]member{plain, arm8}, "the image is for linux/amd64, linux/arm64, and linux/arm64/v9 was asked for"},
		"linux/arm/v6":   {[]member{arm7, arm6, plain}, "arm6"},
		"linux/arm":      {[]member{plain, arm7}, "arm7"},
		"linux/amd64":    {[]member{arm8, v4th, v3rd}, "v3"},
		"linux/amd64/v3": {[]member{plain, v4th, v3rd}, "v3"},
		"linux/amd64/v4": {[]member{plain, v4th}, "this host's CPU runs amd64 up to v3"},
		"linux/riscv64":  {[]member{s390}, "the image is for linux/s390x, and linux/riscv64 was asked for"},
		"linux/s390x":    {[]member{s390}, "s390"},
	} {
		t.Run(asked, func(t *testing.T) {
			tag, err := name.NewTag(s.host + "/app:" + strings.Map(letters, asked))
			if err != nil {
				t.Fatal(err)
			}
			if err := remote.WriteIndex(tag, makeIndex(t, test.members...), remote.WithTransport(transport(t))); err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{tag.String(), "oci:" + writeIndex(t, test.members...)} {
				ref := mustRef(t, text)
				if ref.Platform, err = image.ParsePlatform(asked); err != nil {
					t.Fatal(err)
				}
				files, info, err := levelSetup(t, 3).pull(t.Context(), ref, nil)
				switch {
				case err == nil && (files["which"] != test.want || info.Architecture != ref.Platform.Architecture || info.Variant != ref.Platform.Variant):
					t.Errorf("%s is %q for %s/%s, want %q", text, files["which"], info.Architecture, info.Variant, test.want)
				case err != nil && (!errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.want)):
					t.Errorf("%s: %v, want %q", text, err, test.want)
				}
			}
		})
	}
}
