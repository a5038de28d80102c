package client

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// maxEgressLine bounds one line of an egress log, in bytes.
const maxEgressLine = 64 << 10

// EgressRecords reads the records of what VMEgressLog returned.
type EgressRecords struct{ in *bufio.Reader }

// NewEgressRecords reads from log, which stays the caller's to close.
func NewEgressRecords(log io.Reader) *EgressRecords {
	return &EgressRecords{in: bufio.NewReaderSize(log, maxEgressLine)}
}

// Next waits for the next record; io.EOF: there is none. A line that is no record
// is the fault Internal.
func (r *EgressRecords) Next() (api.EgressRecord, error) {
	var record api.EgressRecord
	for {
		line, err := r.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return record, err
		}
		text := strings.TrimSpace(string(line))
		switch {
		case text == "" && err != nil:
			return record, io.EOF
		case text == "":
		case json.Unmarshal([]byte(text), &record) != nil:
			return record, fault.New(fault.Internal, "a line of the egress log is not a record: %.80q", text)
		default:
			return record, nil
		}
	}
}

// Waiting reports whether more has come already than Next has returned.
func (r *EgressRecords) Waiting() bool { return r.in.Buffered() > 0 }
