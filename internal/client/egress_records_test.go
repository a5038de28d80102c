package client_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

func TestEgressRecords(t *testing.T) {
	records := client.NewEgressRecords(strings.NewReader("{\"event\":\"deny\",\"port\":53}\n\n{\"event\":\"lost\"}"))
	for _, want := range []string{"deny", "lost"} {
		if r, err := records.Next(); err != nil || r.Event != want {
			t.Errorf("got %+v, %v; want %s", r, err, want)
		}
	}
	if r, err := records.Next(); !errors.Is(err, io.EOF) || records.Waiting() {
		t.Errorf("at the end: %+v, %v", r, err)
	}
}

func TestEgressRecordsThatAreNone(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		log  io.Reader
		want error
	}{
		"no JSON":   {strings.NewReader("deny\n"), fault.Internal},
		"too long":  {strings.NewReader(`{"reason":"` + strings.Repeat("x", 1<<20)), fault.Internal},
		"cut short": {io.MultiReader(strings.NewReader(`{"event":`), iotest.ErrReader(broken)), broken},
	} {
		if r, err := client.NewEgressRecords(c.log).Next(); !errors.Is(err, c.want) {
			t.Errorf("%s: got %+v, %v", name, r, err)
		}
	}
}
