package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernelbundle"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/statedir"
)

// BundleCommand packs the local kernel NAME as DIR/NAME.tar.zst, beside DIR/NAME.json,
// its entry for a catalog there. It reads the state directory and changes nothing in
// it. It returns the exit status.
func BundleCommand(args []string, stdout, stderr io.Writer) int {
	if len(args) != 2 {
		_, _ = fmt.Fprintln(stderr, "bangerd: kernel-bundle needs NAME and DIR")
		return 2
	}
	dirs, err := statedir.FromEnv()
	if err == nil {
		err = bundle(context.Background(), dirs, args[0], args[1], stdout)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "bangerd: %v\n", err)
		return 1
	}
	return 0
}

func bundle(ctx context.Context, dirs statedir.Dirs, name, to string, stdout io.Writer) error {
	if err := kernel.CheckName(name); err != nil {
		return err
	}
	m, err := kernelstore.New(dirs, slog.New(slog.DiscardHandler)).Get(ctx, name)
	if err != nil {
		return err
	}
	entry, err := kernelbundle.Pack(ctx, m, dirs.Kernel(name), to)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(entry, "", "  ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	err = os.WriteFile(filepath.Join(to, name+".json"), data, 0o644)
	_, werr := stdout.Write(data)
	return errors.Join(err, werr)
}
