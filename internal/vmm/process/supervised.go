package process

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// onlyChild is the one child of a supervisor: see proc_pid_children(5). It keeps its
// process ID until the supervisor, which alone reaps it, ends.
func onlyChild(supervisor int) (*os.Process, error) {
	// A child is of the thread that forked.
	lists, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(supervisor), "task/*/children"))
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		children, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for word := range strings.FieldsSeq(string(children)) {
			if pid, err := strconv.Atoi(word); err == nil {
				return os.FindProcess(pid)
			}
		}
	}
	return nil, errors.New("the VMM has ended")
}
