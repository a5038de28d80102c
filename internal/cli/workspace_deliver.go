package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"unicode/utf8"

	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/wholefile"
)

// deliver brings the export to where it was asked for, and then says that it
// is in safe hands.
func (a *App) deliver(ctx context.Context, c *client.Client, name string, opts exportOptions, answer *exportAnswer) error {
	data, err := c.ReadExport(ctx, name, answer.Export)
	if err != nil {
		return err
	}
	defer func() { _ = data.Close() }()
	switch {
	case opts.file != "" && opts.file != "-":
		if answer.Output, err = writeWhole(opts.file, data); err != nil {
			return err
		}
		err = a.exportSummary(opts, *answer)
	case opts.format == formatTable && isTerminal(a.Out):
		return a.showPatch(data, *answer)
	case opts.format == formatTable:
		a.echo(answer.Export)
		a.warnBelow(answer.Export)
		_, err = io.Copy(a.Out, data)
	default:
		var text bytes.Buffer
		if _, err := io.Copy(&text, data); err != nil {
			return err
		}
		if utf8.Valid(text.Bytes()) {
			patch := text.String()
			answer.Patch = &patch
		} else {
			answer.PatchBase64 = text.Bytes()
		}
		err = a.exportSummary(opts, *answer)
	}
	if err != nil {
		return err
	}
	return c.AcceptExport(context.WithoutCancel(ctx), name, answer.ID)
}

// showPatch is for eyes: the guest's bytes become text that only shows, without
// colours, which could hide a line. What can be got back from a terminal is not
// the patch, so the work does not count as exported.
func (a *App) showPatch(data io.Reader, answer exportAnswer) error {
	a.echo(answer.Export)
	_, err := io.Copy(plain.NewWriter(a.Out, false), data)
	if err == nil {
		_, err = fmt.Fprintln(a.Err, "note: this output is for reading and does not count as exported; use --output FILE, or pipe it to git apply")
	}
	return err
}

// writeWhole writes a file that appears when it is complete. A device, a pipe and a
// directory are refused: the new file would take their place.
func writeWhole(path string, data io.Reader) (string, error) {
	path, err := absolutePath(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return "", fault.New(fault.Invalid, "%s is not a regular file", path).WithHint("to write to a pipe or a device, redirect stdout")
	}
	if err := wholefile.Replace(path, data, 0o644); err != nil {
		code := fault.CodeOf(err)
		if at, ok := errors.AsType[*fs.PathError](err); ok && at.Path == path {
			code, err = fault.Invalid, at.Err
		}
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			code = fault.Unavailable
		}
		return "", fault.Wrap(code, err, "cannot write %s", path)
	}
	return path, nil
}
