package guestapi_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
)

// The processes of the guest, here those of the tests' host, are for the bearer alone.
func TestProcesses(t *testing.T) {
	for bearer, status := range map[string]int{token: http.StatusOK, "other": http.StatusUnauthorized} {
		conn := serve(t, identity())
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: guest\r\nAuthorization: Bearer %s\r\n\r\n", agentrpc.PathProcesses, bearer); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		var got agentrpc.Processes
		err = json.NewDecoder(resp.Body).Decode(&got)
		_ = resp.Body.Close()
		if resp.StatusCode != status || err != nil || (status == http.StatusOK) != (got.Total > 0) {
			t.Errorf("by %q: %d, %d processes, %v", bearer, resp.StatusCode, got.Total, err)
		}
	}
}
