package guest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guest"
)

// banger knows the session, so that it is not "not found" to the user: the
// guest was booted again.
func TestASessionThatThisAgentDoesNotKnow(t *testing.T) {
	const refused = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 61\r\n\r\n" +
		`{"code":"not_found","message":"the agent knows no session x"}`
	for name, ask := range map[string]func(guest.Client) error{
		"stop": func(c guest.Client) error {
			_, err := c.StopSession(within(t), "x", agentrpc.SessionStop{})
			return err
		},
		"signal": func(c guest.Client) error {
			_, err := c.SignalSession(within(t), "x", agentrpc.SessionSignal{})
			return err
		},
		"send": func(c guest.Client) error { return c.SendSession(within(t), "x", []byte("p"), false) },
		"output": func(c guest.Client) error {
			_, err := c.SessionOutput(within(t), "x", guest.OutputQuery{Wait: time.Second})
			return err
		},
		"attach": func(c guest.Client) error {
			_, err := c.AttachSession(within(t), "x", agentrpc.SessionAttach{})
			return err
		},
	} {
		if err := ask(answering(t, refused)); !errors.Is(err, fault.Conflict) {
			t.Errorf("%s = %v; want Conflict", name, err)
		}
	}
	if err := answering(t, refused).RemoveSession(within(t), "x"); !errors.Is(err, fault.NotFound) {
		t.Errorf("remove = %v; want NotFound, which is as good as removed", err)
	}
}
