package web

import (
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// slowDownload is how long a browser may take for each part of a file.
const slowDownload = time.Minute

// download sends data as a file that the browser stores and does not show. size is -1 if
// it is not known. It reports whether all of it went out; what did not is a download that
// the browser knows to be cut.
func (c *Console) download(w http.ResponseWriter, r *http.Request, name string, size int64, data io.Reader) bool {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	if size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	out := http.NewResponseController(w)
	sent, err := io.Copy(&patient{w: w, out: out}, data)
	if err == nil && (size < 0 || sent == size) {
		return true
	}
	c.log.DebugContext(r.Context(), "a download ended early", "name", name, "bytes", sent, "error", err)
	// A body that only ends would pass for a whole one.
	panic(http.ErrAbortHandler)
}

// patient writes with a deadline for each part.
type patient struct {
	w   io.Writer
	out *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.out.SetWriteDeadline(time.Now().Add(slowDownload)); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}
