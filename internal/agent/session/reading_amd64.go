package session

import "golang.org/x/sys/unix"

// sysPoll is poll(2), which newer architectures have as ppoll only.
const sysPoll = unix.SYS_POLL
