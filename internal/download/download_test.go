package download

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

var _ catalog.Fetcher = (*Client)(nil)

var content = bytes.Repeat([]byte("0123456789abcdef"), 64<<10) // 1 MiB

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// serve answers by HTTPS, and returns a client that trusts it.
func serve(t *testing.T, h http.HandlerFunc) (*Client, string) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return New(filepath.Join(t.TempDir(), "downloads"), Options{Transport: s.Client().Transport}), s.URL
}

func whole(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "k", time.Time{}, bytes.NewReader(content))
}

func (c *Client) get(ctx context.Context, url string) (Fetched, error) {
	return c.File(ctx, url+"/k", sumOf(content), int64(len(content)), operation.Discard{})
}

func (c *Client) expect(t *testing.T, url string) {
	t.Helper()
	f, err := c.get(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if f.URL != url+"/k" {
		t.Errorf("it is from %s, want %s/k", f.URL, url)
	}
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	_ = f.Close()
}

// left is how many bytes of an unfinished file are there.
func (c *Client) left(t *testing.T) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(c.dir, sumOf(content)))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestFile(t *testing.T) {
	c, url := serve(t, whole)
	c.expect(t, url)
}

func TestFileOfThisHost(t *testing.T) {
	c := New(t.TempDir(), Options{})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "k"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	c.expect(t, "file://"+dir)
	if _, err := New(t.TempDir(), Options{}).get(t.Context(), "file://"+dir+"/none"); !errors.Is(err, fault.NotFound) {
		t.Errorf("no file: %v", err)
	}
	if _, err := c.Document(t.Context(), "file:///dev/zero", "", 10); !errors.Is(err, fault.Invalid) {
		t.Errorf("a device: %v", err)
	}
}

// TestAConnectionThatBreaksIsTakenUp: each answer ends after a third.
func TestAConnectionThatBreaksIsTakenUp(t *testing.T) {
	var ranges []string
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		whole(&cut{ResponseWriter: w, left: len(content)/3 + 1}, r)
	})
	c.expect(t, url)
	if len(ranges) != 3 || ranges[0] != "" || !strings.HasPrefix(ranges[1], "bytes=") {
		t.Errorf("ranges %q", ranges)
	}
}

type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(b []byte) (int, error) {
	if c.left < len(b) {
		_, _ = c.ResponseWriter.Write(b[:c.left])
		panic(http.ErrAbortHandler)
	}
	c.left -= len(b)
	return c.ResponseWriter.Write(b)
}

func TestACancelledDownloadIsTakenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var second atomic.Bool
	var asked string
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if second.Load() {
			asked = r.Header.Get("Range")
			whole(w, r)
			return
		}
		_, _ = w.Write(content[:300<<10])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	p := &onCount{f: cancel}
	if _, err := c.File(ctx, url+"/k", sumOf(content), int64(len(content)), p); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	left := c.left(t)
	second.Store(true)
	c.expect(t, url)
	if want := fmt.Sprintf("bytes=%d-", left); left == 0 || asked != want {
		t.Errorf("asked for the range %q, want %q", asked, want)
	}
}

type onCount struct {
	operation.Discard
	f func()
}

func (p *onCount) Count(int64, int64, string) { p.f() }

func TestAServerWithoutRangesSendsAllAgain(t *testing.T) {
	c, url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, sumOf(content)), []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.expect(t, url)
}

// TestAnotherServersBytesSpoilNoDownload: what an earlier call left is fetched again where the
// whole is not what it must be, and no innocent server is blamed.
func TestAnotherServersBytesSpoilNoDownload(t *testing.T) {
	for name, left := range map[string][]byte{
		"a part": bytes.ToUpper(content[:300<<10]), "all of it": bytes.ToUpper(content), "more": append(bytes.ToUpper(content), 'x'),
	} {
		t.Run(name, func(t *testing.T) {
			c, url := serve(t, whole)
			if err := errors.Join(os.MkdirAll(c.dir, 0o700), os.WriteFile(filepath.Join(c.dir, sumOf(content)), left, 0o600)); err != nil {
				t.Fatal(err)
			}
			c.expect(t, url)
		})
	}
	asked := 0
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.ServeContent(w, r, "k", time.Time{}, bytes.NewReader(bytes.ToUpper(content)))
	})
	if err := errors.Join(os.MkdirAll(c.dir, 0o700), os.WriteFile(filepath.Join(c.dir, sumOf(content)), content[:9], 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.get(t.Context(), url); !errors.Is(err, fault.Invalid) || asked != 2 || c.left(t) != 0 {
		t.Errorf("a server of something else: %v, asked %d times, %d bytes left", err, asked, c.left(t))
	}
}

func TestFileRefuses(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(content); err != nil {
				return
			}
		}
	}
	for name, test := range map[string]struct {
		serve http.HandlerFunc
		code  fault.Code
		want  string
	}{
		"another content": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.ToUpper(content)) }, fault.Invalid, "the catalog says"},
		"more":            {endless, fault.Invalid, "sends more than"},
		"less":            {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content[1:]) }, fault.Unavailable, fmt.Sprintf("ends after %d of %d bytes", len(content)-1, len(content))},
		"nothing":         {http.NotFound, fault.NotFound, "404"},
		"a way to HTTP": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1/", http.StatusFound)
		}, fault.Invalid, "not HTTPS"},
		"a loop": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, fault.Invalid, "redirects more than"},
	} {
		t.Run(name, func(t *testing.T) {
			c, url := serve(t, test.serve)
			_, err := c.get(t.Context(), url)
			if !errors.Is(err, test.code) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s with %q", err, test.code, test.want)
			}
			if errors.Is(err, fault.Invalid) && strings.Contains(test.want, "catalog") && c.left(t) != 0 {
				t.Errorf("%d bytes of it are left", c.left(t))
			}
		})
	}
}

// pipe is a transport whose answers a test writes, by its own clock.
type pipe func(ctx context.Context, b []byte) (int, error)

func (p pipe) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body{r.Context(), p}}, nil
}

type body struct {
	ctx context.Context
	p   pipe
}

func (b body) Read(buf []byte) (int, error) { return b.p(b.ctx, buf) }
func (body) Close() error                   { return nil }

func TestASlowServerIsLeft(t *testing.T) {
	trickle := func(pause time.Duration) pipe {
		return func(ctx context.Context, b []byte) (int, error) {
			select {
			case <-time.After(pause):
				return copy(b, "x"), nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
	}
	for want, pause := range map[string]time.Duration{"sends only": 29 * time.Second, "sent nothing for 30s": time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c := New(t.TempDir(), Options{Transport: trickle(pause)})
			began := time.Now()
			_, err := c.get(t.Context(), "https://slow.example")
			if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), want) || time.Since(began) > 2*time.Minute {
				t.Errorf("after %v: %v; want %q", time.Since(began), err, want)
			}
		})
	}
}

func TestOneDownloadOfAFileAtOnce(t *testing.T) {
	waiting, done := make(chan struct{}), make(chan struct{})
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(waiting)
		<-done
		whole(w, r)
	})
	first := make(chan error, 1)
	go func() {
		_, err := c.get(t.Context(), url)
		first <- err
	}()
	<-waiting
	if _, err := c.get(t.Context(), url); !errors.Is(err, fault.Busy) {
		t.Errorf("the second: %v, want Busy", err)
	}
	close(done)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestDocument(t *testing.T) {
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte("hello"))
	})
	got, err := c.Document(t.Context(), url, "", 5)
	if err != nil || string(got.Data) != "hello" || got.ETag != `"1"` || got.Unchanged {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := c.Document(t.Context(), url, got.ETag, 5); err != nil || !got.Unchanged {
		t.Errorf("again: %+v, %v", got, err)
	}
	if _, err := c.Document(t.Context(), url, "", 4); !errors.Is(err, fault.Invalid) {
		t.Errorf("too large: %v", err)
	}
	if _, err := c.Document(t.Context(), "http://127.0.0.1:1/", "", 4); !errors.Is(err, fault.Invalid) {
		t.Errorf("not HTTPS: %v", err)
	}
	if _, err := c.Document(t.Context(), "https://127.0.0.1:1/", "", 4); !errors.Is(err, fault.Unavailable) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestSweep(t *testing.T) {
	now := time.Now()
	c := New(t.TempDir(), Options{Now: func() time.Time { return now }})
	for name, age := range map[string]time.Duration{"old": 8 * 24 * time.Hour, "new": time.Hour} {
		path := filepath.Join(c.dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, now, now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(c.dir)
	if err != nil || len(left) != 1 || left[0].Name() != "new" {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestPruneLeavesWhatIsFetched: unfinished files go, and not those under way or with a reader.
func TestPruneLeavesWhatIsFetched(t *testing.T) {
	waiting, done := make(chan struct{}), make(chan struct{})
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(waiting)
		<-done
		whole(w, r)
	})
	old := sumOf([]byte("old"))
	if err := errors.Join(os.MkdirAll(c.dir, 0o700), os.WriteFile(filepath.Join(c.dir, old), []byte("12345"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var f Fetched
	fetched := make(chan error, 1)
	go func() {
		var err error
		f, err = c.get(t.Context(), url)
		fetched <- err
	}()
	<-waiting
	if n, err := c.Unfinished(t.Context()); err != nil || n != 5 {
		t.Errorf("%d bytes are unfinished, %v; want 5", n, err)
	}
	if n, err := c.Prune(t.Context()); err != nil || n != 5 {
		t.Errorf("pruned %d bytes, %v; want 5", n, err)
	}
	close(done)
	if err := <-fetched; err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // of the test
	if _, err := c.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes after a prune, %v", len(got), err)
	}
	if err := f.Remove(); err != nil {
		t.Errorf("remove what is gone: %v", err)
	}
}
