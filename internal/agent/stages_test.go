package agent

import (
	"slices"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
)

func TestStagesThatFollowQuicklyAreToldAsTheLast(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	var told []string
	s := newStages(func(m agentrpc.GuestMessage) {
		told = append(told, m.Stage.Name)
		entered <- struct{}{}
		<-release
	})
	s.begin("disks")
	<-entered
	s.begin("root")
	s.begin("homes")
	release <- struct{}{}
	<-entered
	close(release)
	if last := s.end(); last != "homes" {
		t.Errorf("the last stage is %q", last)
	}
	if want := []string{"disks", "homes"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
