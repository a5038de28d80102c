package cli_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/statedir"
)

// fakeDaemon speaks bangerd's API with things that never change, and records
// what it was asked.
type fakeDaemon struct {
	server *http.Server

	mu    sync.Mutex
	asked []string
	more  chan struct{} // closed and replaced when asked grows
	ops   map[string]*fakeOperation
	keys  *guestKeys
	looks map[string]int64 // how often a VM's stats were asked for
}

type fakeOperation struct {
	mu      sync.Mutex
	changed chan struct{}
	op      api.Operation
	input   chan int64 // length of what was sent
}

func startFakeDaemon(socket, guest string) (*fakeDaemon, error) {
	if err := os.MkdirAll(guest, 0o700); err != nil {
		return nil, err
	}
	keys, err := newGuestKeys(guest)
	if err != nil {
		return nil, err
	}
	l, err := statedir.ListenUnix(socket)
	if err != nil {
		return nil, err
	}
	d := &fakeDaemon{more: make(chan struct{}), ops: map[string]*fakeOperation{}, keys: keys, looks: map[string]int64{}}
	d.server = &http.Server{Handler: d.record(d.routes()), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = d.server.Serve(l) }()
	return d, nil
}

func (d *fakeDaemon) close() { _ = d.server.Close() }

func (d *fakeDaemon) note(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, text)
	close(d.more)
	d.more = make(chan struct{})
}

func (d *fakeDaemon) requests() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.asked, "\n")
}

func (d *fakeDaemon) waitAsked(ctx context.Context, pattern *regexp.Regexp) bool {
	for {
		d.mu.Lock()
		more, all := d.more, strings.Join(d.asked, "\n")
		d.mu.Unlock()
		if pattern.MatchString(all) {
			return true
		}
		select {
		case <-more:
		case <-ctx.Done():
			return false
		}
	}
}

// record notes "METHOD PATH BODY" of every request.
func (d *fakeDaemon) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		line := r.Method + " " + strings.TrimPrefix(r.URL.RequestURI(), "/v1")
		if r.Header.Get("Content-Type") == "application/json" {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			line += " " + string(body)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
		}
		d.note(line)
		if sent := r.Header.Get(api.SettingsHeader); sent != "" {
			settings, err := base64.RawStdEncoding.DecodeString(sent)
			if err != nil {
				return
			}
			d.note("settings of " + r.Method + " " + r.URL.Path + ": " + string(settings))
		}
		w.Header().Set(api.BuildHeader, "v1.2.3 0123456789abcdef 1764000000")
		next.ServeHTTP(w, r)
	})
}

func (d *fakeDaemon) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/ping", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.Ping{
			Protocol: api.Protocol, Version: "v1.2.3", Commit: "0123456789abcdef", BuiltAt: fakeTime, StartedAt: fakeTime,
			PID: 42, StateDir: "/home/u/.local/state/banger", Driver: "qemu-tcg", VMs: 3, Running: 1, RSSBytes: 20 << 20,
			Names: "127.128.0.1:5300",
		})
	})
	mux.HandleFunc("GET /v1/vms", func(w http.ResponseWriter, r *http.Request) {
		answer(w, api.List[api.VM]{Items: fakeVMs(r.URL.Query()["label"])})
	})
	mux.HandleFunc("GET /v1/vms/{name}", withVM(func(w http.ResponseWriter, _ *http.Request, v api.VM) { answer(w, v) }))
	mux.HandleFunc("POST /v1/vms", d.createVM)
	mux.HandleFunc("GET /v1/vms/{name}/wait", withVM(func(w http.ResponseWriter, r *http.Request, v api.VM) {
		if v.State == "running" && r.URL.Query().Get("for") != "ready" {
			<-r.Context().Done()
			return
		}
		answer(w, v)
	}))
	for _, verb := range []string{"start", "stop", "restart", "reset"} {
		mux.HandleFunc("POST /v1/vms/{name}/"+verb, withVM(func(w http.ResponseWriter, _ *http.Request, v api.VM) {
			if verb == "start" && v.Name == "web" || verb == "stop" && v.State == "stopped" {
				answer(w, d.nothing("vm."+verb, v.Name, v))
				return
			}
			answer(w, d.begin("vm."+verb, v.Name, v))
		}))
	}
	for _, verb := range []string{"pause", "resume", "kill"} {
		mux.HandleFunc("POST /v1/vms/{name}/"+verb, withVM(func(w http.ResponseWriter, _ *http.Request, v api.VM) { answer(w, v) }))
	}
	mux.HandleFunc("PATCH /v1/vms/{name}", withVM(func(w http.ResponseWriter, _ *http.Request, v api.VM) { answer(w, v) }))
	mux.HandleFunc("POST /v1/vms/{name}/commit", withVM(func(w http.ResponseWriter, r *http.Request, v api.VM) {
		var req api.CommitVM
		_ = json.NewDecoder(r.Body).Decode(&req)
		image := fakeImage
		image.Name = req.Image
		answer(w, d.begin("vm.commit", v.Name, image))
	}))
	mux.HandleFunc("DELETE /v1/vms/{name}", withVM(d.deleteVM))
	mux.HandleFunc("GET /v1/vms/{name}/health", withVM(func(w http.ResponseWriter, _ *http.Request, v api.VM) {
		if v.State != "running" {
			problem(w, http.StatusConflict, api.Problem{Code: "conflict", Message: "VM " + v.Name + " is " + v.State, Hint: "banger vm start " + v.Name})
			return
		}
		answer(w, fakeHealth)
	}))
	mux.HandleFunc("GET /v1/vms/{name}/logs", withVM(func(w http.ResponseWriter, r *http.Request, v api.VM) {
		if v.Name == "idle" {
			_, _ = io.WriteString(w, "one\x1b]0;title\x07\x1b[2J\n\x1b[31mtwo\r\n")
			if r.URL.Query().Get("follow") == "true" { // and nothing more comes
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}
			return
		}
		_, _ = io.WriteString(w, "one\ntwo\nthree\n")
	}))
	mux.HandleFunc("GET /v1/vms/{name}/ssh", withVM(func(w http.ResponseWriter, _ *http.Request, v api.VM) { answer(w, d.keys.access(v)) }))
	mux.HandleFunc("POST /v1/vms/{name}/exec", withVM(d.exec))
	mux.HandleFunc("GET /v1/vms/{name}/stream/{port}", withVM(d.stream))
	mux.HandleFunc("GET /v1/events", d.watchEvents)
	d.catalogRoutes(mux)
	d.operationRoutes(mux)
	d.workspaceRoutes(mux)
	d.networkRoutes(mux)
	return mux
}

func (d *fakeDaemon) catalogRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/images", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.List[api.Image]{Items: []api.Image{fakeImage}})
	})
	mux.HandleFunc("GET /v1/images/{name}", withName("image", "debian", func(w http.ResponseWriter) { answer(w, fakeImage) }))
	mux.HandleFunc("POST /v1/web/links", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.WebLink{URL: "http://0123456789abcdef.localhost:7777/enter/secret"})
	})
	mux.HandleFunc("POST /v1/web/sign-out", func(w http.ResponseWriter, _ *http.Request) { answer(w, api.SignedOut{Sessions: 2}) })
	mux.HandleFunc("GET /v1/system/df", func(w http.ResponseWriter, _ *http.Request) { answer(w, fakeUsage) })
	mux.HandleFunc("GET /v1/system/prunable", func(w http.ResponseWriter, r *http.Request) {
		answer(w, fakePruned(r.URL.Query().Get("all") == "true", d.prunes()))
	})
	mux.HandleFunc("POST /v1/system/prune", func(w http.ResponseWriter, r *http.Request) {
		var req api.Prune
		_ = json.NewDecoder(r.Body).Decode(&req)
		answer(w, d.begin("system.prune", "", fakePruned(req.All, d.prunes()-1)))
	})
	mux.HandleFunc("GET /v1/images/{name}/archive", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(api.ArchiveLayersHeader, `{"pulled":2,"merged":0,"committed":1}`)
		if r.PathValue("name") == "merged" {
			w.Header().Set(api.ArchiveLayersHeader, `{"pulled":0,"merged":1,"committed":0,"lost":"layer 7 has changed"}`)
		}
		w.Header().Set(api.ArchiveDigestHeader, "sha256:abc")
		_, _ = io.WriteString(w, "archive")
		if r.PathValue("name") == "torn" {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	mux.HandleFunc("GET /v1/images/"+fakeImage.ID, func(w http.ResponseWriter, _ *http.Request) { answer(w, fakeImage) })
	mux.HandleFunc("DELETE /v1/images/{name}", withName("image", "debian", func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }))
	mux.HandleFunc("POST /v1/images", d.pullImage)
	mux.HandleFunc("POST /v1/images/register", func(w http.ResponseWriter, r *http.Request) {
		var req api.RegisterImage
		_ = json.NewDecoder(r.Body).Decode(&req)
		image := fakeImage
		image.Name, image.External = req.Name, req.Rootfs
		answer(w, d.begin("image.register", req.Name, image))
	})
	mux.HandleFunc("POST /v1/images/{name}/repair", func(w http.ResponseWriter, r *http.Request) {
		answer(w, d.begin("image.repair", r.PathValue("name"), fakeRepaired(r.PathValue("name"))))
	})
	for _, verb := range []string{"promote", "verify"} {
		mux.HandleFunc("POST /v1/images/{name}/"+verb, withName("image", "debian", func(w http.ResponseWriter) { answer(w, d.begin("image."+verb, "debian", fakeImage)) }))
	}
	mux.HandleFunc("POST /v1/images/{name}/tag", func(w http.ResponseWriter, r *http.Request) {
		var req api.TagImage
		_ = json.NewDecoder(r.Body).Decode(&req)
		image := fakeImage
		image.Name = req.Name
		answer(w, image)
	})
	mux.HandleFunc("GET /v1/templates", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.List[api.Template]{Items: []api.Template{fakeTemplate}})
	})
	mux.HandleFunc("POST /v1/templates/prune", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.PrunedTemplates{Templates: []api.Template{fakeTemplate}, ReclaimedBytes: fakeTemplate.SizeBytes})
	})
	mux.HandleFunc("POST /v1/vms/{name}/template", func(w http.ResponseWriter, r *http.Request) {
		answer(w, d.begin("template.build", r.PathValue("name"), fakeTemplate))
	})
	mux.HandleFunc("GET /v1/kernels", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.List[api.Kernel]{Items: []api.Kernel{fakeKernel, {Name: "spoilt", Damaged: true, Problem: "kernel spoilt is damaged"}}})
	})
	mux.HandleFunc("GET /v1/kernels/{name}", withName("kernel", "debian-12", func(w http.ResponseWriter) { answer(w, fakeKernel) }))
	mux.HandleFunc("DELETE /v1/kernels/{name}", withName("kernel", "debian-12", func(w http.ResponseWriter) { answer(w, api.DeletedKernel{KeptBy: []string{"VM web"}}) }))
	mux.HandleFunc("POST /v1/kernels", func(w http.ResponseWriter, r *http.Request) {
		var req api.ImportKernel
		_ = json.NewDecoder(r.Body).Decode(&req)
		answer(w, d.begin("kernel.import", req.Name, fakeKernel))
	})
	mux.HandleFunc("POST /v1/kernels/pull", func(w http.ResponseWriter, r *http.Request) {
		var req api.PullKernel
		_ = json.NewDecoder(r.Body).Decode(&req)
		answer(w, d.begin("kernel.pull", req.Name, fakeKernel))
	})
	mux.HandleFunc("GET /v1/catalog/images", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.AvailableImages{Items: fakeAvailableImages, Problems: []string{"the catalog https://x/c: no route"}})
	})
	mux.HandleFunc("GET /v1/catalog/kernels", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.AvailableKernels{Items: fakeAvailable, Problems: []string{"the catalog https://x/c: no route; the copy of yesterday is used"}})
	})
}

func (d *fakeDaemon) createVM(w http.ResponseWriter, r *http.Request) {
	var req api.CreateVM
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		problem(w, http.StatusBadRequest, api.Problem{Code: "invalid", Message: err.Error()})
		return
	}
	v := fakeVM("00000000000000cc", "brave-otter", "running")
	if req.Name != nil {
		v.Name = *req.Name
	}
	if req.Start != nil && !*req.Start {
		v.State = "stopped"
	}
	switch {
	case v.Name == "web":
		problem(w, http.StatusConflict, api.Problem{Code: "conflict", Message: "a VM named \"web\" exists", Hint: "choose another --name"})
	case req.Image != nil && *req.Image == "slow":
		answer(w, d.hold("vm.create", v.Name))
	case req.Image != nil && *req.Image == "missing":
		answer(w, d.fail("vm.create", api.Problem{Code: "not_found", Message: "no image \"missing\"", Hint: "banger image pull missing"}))
	default:
		answer(w, d.begin("vm.create", v.Name, v))
	}
}

func (d *fakeDaemon) deleteVM(w http.ResponseWriter, r *http.Request, v api.VM) {
	if v.State == "running" && r.URL.Query().Get("force") == "" {
		problem(w, http.StatusConflict, api.Problem{Code: "conflict", Message: "VM " + v.Name + " is running", Hint: "banger vm rm --force " + v.Name})
		return
	}
	answer(w, d.begin("vm.delete", v.Name, v))
}

func (d *fakeDaemon) pullImage(w http.ResponseWriter, r *http.Request) {
	var req api.PullImage
	_ = json.NewDecoder(r.Body).Decode(&req)
	switch req.Ref {
	case "slow":
		answer(w, d.hold("image.pull", req.Ref))
	case "tar:-":
		o := d.add(runningOperation("image.pull", req.Ref))
		go func() {
			n := <-o.input
			image := fakeImage
			image.Name, image.DiskUsage = req.Name, n
			o.finish("succeeded", nil, image)
		}()
		answer(w, o.snapshot())
	default:
		answer(w, d.begin("image.pull", req.Ref, fakeImage))
	}
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func problem(w http.ResponseWriter, status int, p api.Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p)
}

func withVM(serve func(http.ResponseWriter, *http.Request, api.VM)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		if name == "0000" {
			problem(w, http.StatusConflict, api.Problem{Code: "conflict", Message: "\"0000\" begins the ids of several VMs", Hint: "use more of the id"})
			return
		}
		all := append(fakeVMs(nil), fakeVM("00000000000000cc", "brave-otter", "running"),
			fakeVM("00000000000000e1", "brief", "running"), fakeVM("00000000000000e2", "brief2", "running"), fakePublisher())
		for _, v := range all {
			if v.Name == name || v.ID == name {
				serve(w, r, v)
				return
			}
		}
		problem(w, http.StatusNotFound, api.Problem{Code: "not_found", Message: fmt.Sprintf("no VM %q", name), Hint: "banger vm list --all"})
	}
}

func withName(kind, known string, serve func(http.ResponseWriter)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if name := r.PathValue("name"); name != known {
			problem(w, http.StatusNotFound, api.Problem{Code: "not_found", Message: fmt.Sprintf("no %s %q", kind, name), Hint: "banger " + kind + " list"})
			return
		}
		serve(w)
	}
}
