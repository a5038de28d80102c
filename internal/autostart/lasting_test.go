package autostart

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/statedir"
)

// daemon answers at a socket that Ensure only dials, and counts what it is asked.
func daemon(t *testing.T) (opts Options, pings, lists *atomic.Int32) {
	t.Helper()
	opts.Socket = filepath.Join(t.TempDir(), "s")
	listener, err := statedir.ListenUnix(opts.Socket)
	if err != nil {
		t.Fatal(err)
	}
	pings, lists = &atomic.Int32{}, &atomic.Int32{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/ping", func(w http.ResponseWriter, _ *http.Request) {
		pings.Add(1)
		_ = json.NewEncoder(w).Encode(api.Ping{Protocol: api.Protocol})
	})
	mux.HandleFunc("GET /v1/vms", func(w http.ResponseWriter, _ *http.Request) {
		lists.Add(1)
		_ = json.NewEncoder(w).Encode(api.List[api.VM]{})
	})
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return opts, pings, lists
}

func TestWhoAsksForADaemon(t *testing.T) {
	for name, c := range map[string]struct {
		make  func(Options) *client.Client
		pings int32
	}{
		"lasting": {Lasting, 1}, // once, whatever it is used for
		"fast":    {Fast, 0},
	} {
		t.Run(name, func(t *testing.T) {
			opts, pings, lists := daemon(t)
			used := c.make(opts)
			defer used.Close()
			for range 2 {
				if _, err := used.ListVMs(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				used.Close() // the next call dials again
			}
			if pings.Load() != c.pings || lists.Load() != 2 {
				t.Errorf("%d pings and %d lists", pings.Load(), lists.Load())
			}
		})
	}
}
