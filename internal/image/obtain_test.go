package image_test

import (
	"errors"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func TestObtainPullsOnlyWhatIsClearlyAReference(t *testing.T) {
	f := newFixture()
	if _, err := f.Obtain(t.Context(), "debian", &stages{}); !errors.Is(err, fault.NotFound) || f.source.closed != 0 {
		t.Errorf("a bare word: %v, %d sources opened", err, f.source.closed)
	}
	if _, err := f.Obtain(t.Context(), "tar:/x.tar", &stages{}); !errors.Is(err, fault.NotFound) || f.source.closed != 0 {
		t.Errorf("a path: %v, %d sources opened", err, f.source.closed)
	}
	first, err := f.Obtain(t.Context(), "debian:12", &stages{})
	if err != nil || first.Name != "debian-12" {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := f.Obtain(t.Context(), "debian:12", &stages{})
	if err != nil || again.ID != first.ID || f.source.unpacked != 1 {
		t.Errorf("again: %+v, %v, unpacked %d times", again, err, f.source.unpacked)
	}
}
