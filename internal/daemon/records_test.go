package daemon

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/monitorrpc"
)

// What monitors write, the API passes on as it is.
func TestRecordsOfMonitorsAreThoseOfTheAPI(t *testing.T) {
	written, err := json.Marshal(monitorrpc.Record{
		At: time.Unix(1, 2).UTC(), Event: monitorrpc.EventLost, Protocol: "tcp", Name: "n", Address: "a", Port: 1,
		Rule: "r", Reason: "w", Sent: 2, Received: 3, Process: "p",
	})
	if err != nil {
		t.Fatal(err)
	}
	in := json.NewDecoder(bytes.NewReader(written))
	in.DisallowUnknownFields()
	var told api.EgressRecord
	if err := in.Decode(&told); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(told); err != nil || !bytes.Equal(again, written) {
		t.Errorf("written as %s, told as %s, %v", written, again, err)
	}
}
