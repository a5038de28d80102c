package agent

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
)

// tell is said to an agent, which answers.
func tell(host net.Conn, m agentrpc.HostMessage) { _ = json.NewEncoder(host).Encode(m) }

// waking is a configured agent, whose generation is "before"; did is what it makes good.
func waking(t *testing.T, entropy error) (a *agent, did *[]string) {
	t.Helper()
	a, did = newAgent(), new([]string)
	a.wake = wake{
		entropy: func(seed []byte) error { *did = append(*did, string(seed)); return entropy },
		clock:   func(int64) error { *did = append(*did, "clock"); return nil },
	}
	state, err := os.Create(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = state.Close() })
	a.state, a.saved.Generation, a.saved.Configured = state, "before", true
	a.ready.Store(true)
	return a, did
}

func TestAResumedGuestConfirmsTheNewGeneration(t *testing.T) {
	a, did := waking(t, nil)
	host, lines, ended := startControl(t, a)
	if m := next(t, lines); m.Hello == nil || !m.Hello.Configured {
		t.Errorf("first it says %+v", m)
	}
	if m := next(t, lines); m.Ready == nil || m.Ready.Generation != "before" {
		t.Errorf("before it is told, it says %+v", m)
	}
	go tell(host, agentrpc.HostMessage{Resumed: &agentrpc.Resumed{Generation: "after", UnixNano: 1, Entropy: []byte("seed")}})
	for {
		m := next(t, lines)
		if m.Listening != nil {
			continue
		}
		if m.Ready == nil || m.Ready.Generation != "after" {
			t.Errorf("then it says %+v", m)
		}
		break
	}
	if !slices.Equal(*did, []string{"clock", "seed"}) {
		t.Errorf("it did %q", *did)
	}
	if s, err := load(a.state); err != nil || s.Generation != "after" {
		t.Errorf("an agent that replaced it would know %+v, %v", s, err)
	}
	_ = host.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAGuestWithoutFreshEntropyConfirmsNothing(t *testing.T) {
	a, _ := waking(t, errors.New("no entropy"))
	host, lines, ended := startControl(t, a)
	next(t, lines)
	next(t, lines)
	go tell(host, agentrpc.HostMessage{Resumed: &agentrpc.Resumed{Generation: "after"}})
	for {
		m := next(t, lines)
		if m.Listening != nil {
			continue
		}
		if m.Failed == nil || m.Failed.Stage != "entropy" {
			t.Errorf("it says %+v", m)
		}
		break
	}
	if a.saved.Generation != "before" {
		t.Errorf("its generation is %q", a.saved.Generation)
	}
	_ = host.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
