package agent

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
)

// TestAStreamThatEndsLateTakesNoOtherWithIt fails when the messages of a restored machine are lost:
// its stream of before the save ends while the new one is in use.
func TestAStreamThatEndsLateTakesNoOtherWithIt(t *testing.T) {
	before, _ := net.Pipe()
	now, host := net.Pipe()
	defer func() { _ = now.Close() }()
	var c control
	c.set(before)
	c.set(now)
	c.end(before)
	go c.send(agentrpc.GuestMessage{Ready: &agentrpc.Ready{Init: "agent"}})
	line, err := bufio.NewReader(host).ReadString('\n')
	if err != nil || !strings.Contains(line, "ready") {
		t.Errorf("the host got %q, %v", line, err)
	}
}
