package image_test

import (
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/image"
)

// told is an image.Events that notes what it hears, and whether the store has it.
type told struct {
	f   *fixture
	all []string
}

func (l *told) ImageChanged(m image.Manifest) { l.note("changed", m, true) }
func (l *told) ImageDeleted(m image.Manifest) { l.note("deleted", m, false) }

func (l *told) note(what string, m image.Manifest, want bool) {
	if _, stored := l.f.store.images[m.ID]; stored != want {
		what += " too early"
	}
	var names []string
	for _, n := range m.Names {
		names = append(names, n.Name)
	}
	l.all = append(l.all, strings.TrimSpace(what+" "+strings.Join(names, ",")))
}

func TestEventsOfImages(t *testing.T) {
	f := newFixture()
	l := &told{f: f}
	f.Tell(l)
	f.pull(t, "a")
	if _, err := f.Tag(t.Context(), "a", "b", false); err != nil {
		t.Fatal(err)
	}
	f.source.digest = "sha256:other"
	if _, err := f.Pull(t.Context(), image.PullRequest{Ref: "debian:12", Name: "a", Replace: true}, &stages{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b", "a"} {
		if err := f.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	want := "changed a; changed a,b; changed a; changed b; deleted b; deleted a"
	if got := strings.Join(l.all, "; "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
