package statedir

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/pace"
)

// How often RemoveStaged tries, and its pause in between.
const (
	removeTries = 30
	removePause = 100 * time.Millisecond
)

// RemoveStaged removes what a daemon that died had staged at path. What a program of
// that daemon has started may outlive both by a moment and still put files there, so
// that it tries again for three seconds. Nothing at path is no error.
func RemoveStaged(ctx context.Context, path string) error {
	for tries := 1; ; tries++ {
		err := os.RemoveAll(path)
		if !errors.Is(err, syscall.ENOTEMPTY) || tries == removeTries {
			return err
		}
		if err := pace.Pause(ctx, removePause); err != nil {
			return err
		}
	}
}
