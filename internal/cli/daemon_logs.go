package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/statedir"
)

func (a *App) daemonLogsCommand() *cobra.Command {
	var tail *optional[int]
	var follow bool
	cmd := &cobra.Command{
		Use: "logs", Short: "Print the daemon log",
		Long:    "Print the daemon log, whether or not the daemon is running.",
		Example: "  banger daemon logs\n  banger daemon logs -f --tail 50",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.daemonLogs(cmd.Context(), tail.or(-1), follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "follow the output")
	tail = tailFlag(cmd)
	return cmd
}

func (a *App) daemonLogs(ctx context.Context, tail int, follow bool) error {
	dirs, err := statedir.FromEnv()
	if err != nil {
		return err
	}
	f, err := os.Open(dirs.Log())
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "no daemon log at %s", dirs.Log()).
			WithHint("if systemd runs the daemon: journalctl --user -u bangerd")
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if follow {
		stop, err := a.endUnread()
		if err != nil {
			return err
		}
		defer stop()
	}
	if tail >= 0 {
		if err := seekLines(f, tail); err != nil {
			return err
		}
	}
	for {
		if _, err := io.Copy(a.Out, f); err != nil || !follow {
			return err
		}
		if err := pace.Pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// seekLines goes to where the last n lines of f begin.
func seekLines(f *os.File, n int) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || n == 0 {
		return err
	}
	const block = 64 << 10
	buf := make([]byte, block)
	breaks := 0
	for at := end; at > 0; {
		size := min(at, block)
		at -= size
		if _, err := f.ReadAt(buf[:size], at); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		for i := size - 1; i >= 0; i-- {
			// The break that ends the last line begins none.
			if buf[i] != '\n' || at+i == end-1 {
				continue
			}
			if breaks++; breaks == n {
				_, err := f.Seek(at+i+1, io.SeekStart)
				return err
			}
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}
