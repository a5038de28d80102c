package image_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func TestObtainPullsOnlyWhatIsClearlyAReference(t *testing.T) {
	f := newFixture()
	for name, hint := range map[string]string{
		"debian":     "to get it: image pull debian",
		"tar:/x.tar": "to get it: image pull tar:/x.tar",
		"oci:/x":     "to get it: image pull oci:/x",
		"A b":        "image list",
	} {
		if _, err := f.Obtain(t.Context(), name, "", &stages{}); !errors.Is(err, fault.NotFound) || f.source.closed != 0 || !strings.Contains(fault.HintOf(err).String(), hint) {
			t.Errorf("%q: %v (hint %q), %d sources opened", name, err, fault.HintOf(err).String(), f.source.closed)
		}
	}
	first, err := f.Obtain(t.Context(), "debian:12", "", &stages{})
	if err != nil || first.Name != "debian-12" {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := f.Obtain(t.Context(), "debian:12", "", &stages{})
	if err != nil || again.ID != first.ID || f.source.unpacked != 1 {
		t.Errorf("again: %+v, %v, unpacked %d times", again, err, f.source.unpacked)
	}
}
