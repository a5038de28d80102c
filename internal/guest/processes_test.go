package guest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
)

func TestProcesses(t *testing.T) {
	ok := func(body string) string { return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body }
	one := func(fields string) string { return ok(`{"total":1,"processes":[{"pid":7,` + fields + `}]}`) }
	got, err := answering(t, ok(`{"total":2,"processes":[{"pid":7,"parent":1,"uid":5,"state":"RX","process":"no\u001b[31mde","command":"`+strings.Repeat("x", 300)+`","cpu_seconds":1.5,"memory_bytes":9}]}`)).Processes(within(t))
	want := agentrpc.Processes{Total: 2, Processes: []agentrpc.Process{{Owner: agentrpc.Owner{PID: 7, Process: "no?[31mde"}, Parent: 1, UID: 5, CPUSeconds: 1.5, MemoryBytes: 9}}}
	if err != nil || len(got.Processes) != 1 || len(got.Processes[0].Command) > 256 || len(got.Processes[0].State) > 4 {
		t.Fatalf("Processes = %+v, %v", got, err)
	}
	got.Processes[0].Command, got.Processes[0].State = "", ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for name, answer := range map[string]string{
		"no json": ok("{"), "fewer than there are": ok(`{"processes":[{"pid":7}]}`), "negative memory": one(`"memory_bytes":-1`), "negative time": one(`"cpu_seconds":-1`),
		"more time than there was": one(`"cpu_seconds":1e300`), "a negative parent": one(`"parent":-1`), "no PID": ok(`{"total":1,"processes":[{}]}`),
		"too many": ok(fmt.Sprintf(`{"total":999,"processes":[%s{"pid":1}]}`, strings.Repeat(`{"pid":1},`, agentrpc.MaxProcesses))),
		"endless":  ok(`{"processes":[{"command":"` + strings.Repeat("x", 1<<20)),
	} {
		if got, err := answering(t, answer).Processes(within(t)); !errors.Is(err, fault.Unavailable) {
			t.Errorf("%s: Processes = %+v, %v; want Unavailable", name, got, err)
		}
	}
	if _, err := answering(t, "HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\nConnection: close\r\n\r\n404 page not found\n").Processes(within(t)); !errors.Is(err, fault.NotFound) {
		t.Errorf("of an older agent: %v", err)
	}
}
