package web

import (
	"context"
	"net/http"
	"strconv"

	"github.com/bangervm/banger/internal/fault"
)

// diffPageView is the body of the page of one file's diff.
type diffPageView struct {
	vmFrame
	diffView
	Back string // to the files
}

// diffPage is the diff of a file of an export: a page, or with part=1 what goes into one.
func (c *Console) diffPage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	read := func(ctx context.Context) (diffView, error) {
		return c.diffOf(ctx, r.PathValue("name"), query.Get(operationParam), query.Get("file"))
	}
	if query.Get("part") == "" {
		c.inVM(w, r, "diff", func(ctx context.Context, f vmFrame) (any, error) {
			d, err := read(ctx)
			return diffPageView{vmFrame: f, diffView: d, Back: f.Path() + "/workspace?" + operationParam + "=" + query.Get(operationParam)}, err
		})
		return
	}
	d, err := read(r.Context())
	c.part(w, r, "vm-diff", "diff", d, err)
}

func (c *Console) diffOf(ctx context.Context, name, operation, file string) (d diffView, err error) {
	if operation == "" {
		return d, fault.New(fault.Invalid, "the address names no changes").WithHint("open the file on the Workspace page of the VM")
	}
	op, err := c.api.GetOperation(ctx, operation)
	if err != nil {
		return d, err
	}
	e, err := exportOf(op)
	if err != nil {
		return d, err
	}
	n, err := strconv.Atoi(file)
	if err != nil || n < 0 || n >= len(e.Files) {
		return d, fault.New(fault.NotFound, "the export has no file %q", file)
	}
	if e.Format != "patch" {
		return d, fault.New(fault.Invalid, "only a patch has diffs, not %s", e.Format)
	}
	data, err := c.api.ReadExport(ctx, name, e)
	if err != nil {
		return d, err
	}
	defer func() { _ = data.Close() }()
	d, err = readDiff(data, e, n)
	d.File = e.Files[n].Path
	return d, err
}

// part answers with a part of a page, for a script that puts it in. A fault is a part, too.
func (c *Console) part(w http.ResponseWriter, r *http.Request, page, part string, data any, err error) {
	status := http.StatusOK
	if err != nil {
		status, page, part, data = fault.CodeOf(err).HTTPStatus(), "problem", "fault", problemOf(err)
	}
	if err := c.pages.write(w, status, page, part, data); err != nil {
		c.log.WarnContext(r.Context(), "a part of a page was not sent", "page", page, "error", err)
	}
}
