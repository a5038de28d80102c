package guest

import (
	"errors"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// Bounds of what a guest says of itself, in bytes: names, messages, and what is
// quoted of a malformed answer.
const (
	maxName    = 128
	maxMessage = 4 << 10
	maxQuoted  = 512
)

// Bounds of numbers that a guest may say of itself: a century in seconds, on
// many CPUs, and a load.
const (
	maxUptime     = 100 * 366 * 86400
	maxCPUSeconds = maxUptime * 1024
	maxLoad       = 1e6
)

// brief is err, without what a guest made it say at length.
func brief(err error) error {
	if text := err.Error(); len(text) > maxQuoted {
		return errors.New(plain.Line(text, maxQuoted))
	}
	return err
}

// plausible bounds a guest's words on its health. Numbers that cannot be true
// are an error.
func plausible(h agentrpc.Health) (agentrpc.Health, error) {
	h.Build, h.Init, h.BootID = plain.Line(h.Build, maxName), plain.Line(h.Init, maxName), plain.Line(h.BootID, maxName)
	for _, n := range []int64{int64(h.Protocol), h.MemTotal, h.MemAvail, h.DiskSize, h.DiskFree} {
		if n < 0 {
			return agentrpc.Health{}, malformed("its health has %d", n)
		}
	}
	for _, n := range []struct{ is, most float64 }{{h.Uptime, maxUptime}, {h.Load1, maxLoad}, {h.CPUSeconds, maxCPUSeconds}} {
		if n.is < 0 || n.is > n.most {
			return agentrpc.Health{}, malformed("its health has %g", n.is)
		}
	}
	return h, nil
}

// coherent refuses output that cannot be a piece of a stream.
func coherent(out agentrpc.SessionOutput) (agentrpc.SessionOutput, error) {
	if out.Offset < 0 || out.Lost < 0 || out.End < out.Offset ||
		int64(len(out.Data)) > min(agentrpc.MaxOutputRead, out.End-out.Offset) {
		return agentrpc.SessionOutput{}, malformed("%d bytes of output from %d on, of %d", len(out.Data), out.Offset, out.End)
	}
	return out, nil
}

func malformed(format string, args ...any) error {
	return fault.New(fault.Unavailable, "the answer of the guest's agent is malformed: "+format, args...)
}
