package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// maxCopy bounds what is read of a catalog's copy, in bytes: its data are base64 in it.
const maxCopy = 2 * (catalog.MaxBytes + catalog.MaxSignatureBytes)

// checkCatalogs looks at the copies of the catalogs that the user added. It asks no server.
func checkCatalogs(_ context.Context, w World) verdict {
	var good, unread []string
	for _, src := range w.Settings.Catalogs {
		c, err := w.catalog(src)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			unread = append(unread, src.URL)
		case err != nil:
			return warn("", "%s", plain.Line(err.Error(), fault.MaxText)).mend("%s", remedyOf(err))
		default:
			good = append(good, fmt.Sprintf("%s (version %d)", src.URL, c.Origin.Version))
		}
	}
	switch {
	case len(unread) > 0:
		return info("banger has not read %s yet; a list of what is available does", strings.Join(unread, ", "))
	case len(good) == 0:
		return ok("only the one built into banger")
	}
	return ok("%s", strings.Join(good, ", "))
}

// catalog is the copy of src, if it can be used, and its last renewal succeeded. The error
// matches fs.ErrNotExist where there was no try yet.
func (w World) catalog(src catalog.Source) (catalog.Catalog, error) {
	if err := src.Validate(); err != nil {
		return catalog.Catalog{}, err
	}
	path := w.Dirs.Catalog(src.ID())
	if _, err := w.stat(path); err != nil {
		return catalog.Catalog{}, err
	}
	data, err := w.readHead(path, maxCopy) // of a larger one, JSON that ends early
	var kept catalog.Copy
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil {
		return catalog.Catalog{}, fault.Wrap(fault.Invalid, err, "the local copy of the catalog %s is damaged", src.URL).WithHint("remove %s", path)
	}
	failed := ""
	if kept.Refused != "" {
		failed = fmt.Sprintf("since %s: %s", kept.RefusedAt.Format(time.DateOnly), kept.Refused)
	}
	if len(kept.Data) == 0 && failed != "" {
		return catalog.Catalog{}, fault.New(fault.Unavailable, "banger cannot read the catalog %s %s", src.URL, failed).Try(act.KernelList.Do(act.Available))
	}
	c, err := catalog.Examine(src, kept, w.Now())
	if err == nil && failed != "" {
		err = fault.New(fault.Unavailable, "the copy of the catalog %s of %s is in use; banger cannot renew it %s",
			src.URL, kept.FetchedAt.Format(time.DateOnly), failed).Try(act.KernelList.Do(act.Available))
	}
	return c, err
}

// remedyOf is an error's hint, or a general one: a warning needs a remedy.
func remedyOf(err error) fault.Hint {
	if hint := fault.HintOf(err); len(hint) > 0 {
		return hint
	}
	return fault.Hintf("ask the catalog's publisher, or remove it from config.toml")
}
