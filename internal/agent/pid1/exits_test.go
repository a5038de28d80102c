package pid1

import (
	"encoding/binary"
	"math"
	"testing"
	"time"
)

func acctRecord(name string, began time.Time, took time.Duration) []byte {
	record := make([]byte, acctSize)
	record[offVersion] = acctVersion
	binary.NativeEndian.PutUint32(record[offBegin:], uint32(began.Unix()))
	binary.NativeEndian.PutUint32(record[offElapsed:], math.Float32bits(float32(took.Seconds()*acctHZ)))
	copy(record[offCommand:], name)
	return record
}

func TestRecordedNamesWhatEndedLately(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	records := acctRecord("sh", now.Add(-time.Minute), time.Minute)
	records = append(records, acctRecord("reboot", now.Add(-time.Hour), time.Second)...)
	since := now.Add(-5 * time.Second)
	if recorded(records, "reboot", since) {
		t.Error("a reboot of an hour ago counts")
	}
	if !recorded(records, "sh", since) {
		t.Error("a long process that has just ended does not count")
	}
	records = append(records, acctRecord("reboot", now.Add(-time.Second), time.Second)...)
	if !recorded(records, "reboot", since) {
		t.Error("a reboot that has just ended does not count")
	}
	if recorded(records, "boot", since) || recorded(records, "reboo", since) {
		t.Error("part of a name counts")
	}
}

func FuzzRecorded(f *testing.F) {
	f.Add(acctRecord("reboot", time.Unix(1_800_000_000, 0), time.Second))
	f.Fuzz(func(_ *testing.T, data []byte) {
		recorded(data, "reboot", time.Unix(1_800_000_000, 0))
	})
}
