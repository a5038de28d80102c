package confine

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxReport bounds a report, in bytes.
const maxReport = 2 << 10

// GroupReport is what a Report says of a control group with these controllers.
func GroupReport(controllers []string) string {
	return "a control group (" + strings.Join(controllers, " ") + ")"
}

// tell sends a report and descriptors to the reader of socket, and closes them all.
func tell(socket int, report Report, descriptors ...int) error {
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	_, err := unix.SendmsgN(socket, []byte(report.String()+"\n"), rights, nil, unix.MSG_NOSIGNAL)
	errs := []error{err}
	for _, fd := range append(slices.Clone(descriptors), socket) {
		errs = append(errs, unix.Close(fd))
	}
	return errors.Join(errs...)
}

// ReadReport reads what the step before a program sends to Plan.ReportFD: the report,
// and the descriptor of the frames at Plan.TAP, or -1. The caller closes it. A step that
// fails sends nothing.
func ReadReport(conn *net.UnixConn) (report Report, frames int, err error) {
	text, rights := make([]byte, maxReport), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := conn.ReadMsgUnix(text, rights) // with close-on-exec
	if err != nil {
		return nil, -1, err
	}
	frames = -1
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return nil, -1, fmt.Errorf("read the control message of a report: %w", err)
	}
	for _, message := range messages {
		if fds, err := unix.ParseUnixRights(&message); err == nil && len(fds) == 1 {
			frames = fds[0]
		}
	}
	line, _, _ := bytes.Cut(text[:n], []byte("\n"))
	return ParseReport(string(line)), frames, nil
}
