package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// takeLock makes this the only daemon of these directories. Conflict when
// another one is. The lock file tells that one's process id.
func takeLock(ctx context.Context, dirs statedir.Dirs) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	lock := flock.New(dirs.Lock(), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, 10*time.Millisecond); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			pid, _ := os.ReadFile(dirs.Lock())
			id := strings.TrimSpace(string(pid))
			return nil, fault.New(fault.Conflict, "another bangerd runs (process %s)", id).
				WithHint("%s; if that does not see it, end it: kill %s. VMs keep running", act.DaemonStatus.Do(), id)
		}
		return nil, fmt.Errorf("lock %s: %w", dirs.Lock(), err)
	}
	if err := os.WriteFile(dirs.Lock(), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return func() { _ = lock.Close() }, nil
}
