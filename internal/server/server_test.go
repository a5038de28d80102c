package server_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/server"
)

func TestFaultsSurviveTheSocket(t *testing.T) {
	for _, code := range []fault.Code{
		fault.NotFound, fault.Conflict, fault.Invalid, fault.Busy,
		fault.Unavailable, fault.PermissionDenied, fault.Canceled, fault.Internal,
	} {
		t.Run(string(code), func(t *testing.T) {
			f := start(t)
			f.pause = func() error { return fault.New(code, "value %q is wrong", "x%sy").WithHint("type this") }
			_, err := f.client.PauseVM(t.Context(), "web")
			if !errors.Is(err, code) {
				t.Fatalf("got %v (%s), want %s", err, fault.CodeOf(err), code)
			}
			if err.Error() != `value "x%sy" is wrong` || fault.HintOf(err).String() != "type this" {
				t.Errorf("got %q, hint %q", err, fault.HintOf(err).String())
			}
		})
	}
}

// A hint's acts reach the client as acts.
func TestActsSurviveTheSocket(t *testing.T) {
	f := start(t)
	want := fault.Hintf("free some space, then %s, or %s", act.VMStart.On("web", act.Rescue), act.SessionStop.On("web", "s1"))
	f.pause = func() error { return fault.New(fault.Conflict, "no").WithHint("%s", want) }
	_, err := f.client.PauseVM(t.Context(), "web")
	if diff := cmp.Diff(want, fault.HintOf(err)); diff != "" {
		t.Errorf("an answer's hint (-want +got):\n%s", diff)
	}
	text := "free some space, then vm start web (rescue), or session stop web s1"
	if got := fault.HintOf(err).String(); got != text {
		t.Errorf("as text %q, want %q", got, text)
	}
}

func TestInternalCausesStayInside(t *testing.T) {
	f := start(t)
	_, err := f.client.GetKernel(t.Context(), "k")
	if !errors.Is(err, fault.Internal) || strings.Contains(err.Error(), "EOF") {
		t.Errorf("got %v", err)
	}
	f.pause = func() error { panic("secret") }
	_, err = f.client.PauseVM(t.Context(), "web")
	if !errors.Is(err, fault.Internal) || strings.Contains(err.Error(), "secret") {
		t.Errorf("after a panic: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	f := start(t)
	jsonType := "application/json"
	for name, c := range map[string]struct {
		method, path, contentType, body string
		status                          int
		code                            fault.Code
		message                         []string
	}{
		"no endpoint":      {"GET", "/v1/nothing", "", "", 404, fault.NotFound, []string{"/v1/nothing"}},
		"root":             {"GET", "/", "", "", 404, fault.NotFound, nil},
		"wrong method":     {"PUT", "/v1/vms", "", "", 405, fault.Invalid, []string{"PUT", "GET", "POST"}},
		"malformed JSON":   {"POST", "/v1/vms", jsonType, "{", 400, fault.Invalid, nil},
		"no body":          {"POST", "/v1/vms", jsonType, "", 400, fault.Invalid, nil},
		"wrong type":       {"POST", "/v1/vms", jsonType, `{"vcpu":"many"}`, 422, fault.Invalid, []string{"vcpu", "many"}},
		"unknown field":    {"POST", "/v1/vms", jsonType, `{"vcpus":2}`, 422, fault.Invalid, []string{"vcpus"}},
		"unknown query":    {"GET", "/v1/vms?lable=a", "", "", 422, fault.Invalid, []string{"lable"}},
		"no CPUs":          {"POST", "/v1/vms", jsonType, `{"vcpu":0}`, 422, fault.Invalid, []string{"vcpu 0"}},
		"unknown wait":     {"POST", "/v1/vms", jsonType, `{"wait":"soon"}`, 422, fault.Invalid, []string{"soon"}},
		"too big":          {"POST", "/v1/vms", jsonType, `{"name":"` + strings.Repeat("a", 2<<20) + `"}`, 413, fault.Invalid, nil},
		"other media type": {"POST", "/v1/vms", "text/yaml", "name: x", 415, fault.Invalid, nil},
		"negative timeout": {"POST", "/v1/vms/web/stop", jsonType, `{"timeout_seconds":-1}`, 422, fault.Invalid, []string{"-1"}},
		"relative path":    {"POST", "/v1/kernels", jsonType, `{"name":"k","from":"boot"}`, 422, fault.Invalid, []string{"boot"}},
		"kernel name":      {"POST", "/v1/kernels", jsonType, `{"name":"../k","from":"/boot"}`, 422, fault.Invalid, []string{"../k"}},
		"no upgrade":       {"POST", "/v1/vms/web/exec", jsonType, `{"command":["true"]}`, 422, fault.Invalid, []string{"Upgrade"}},
		"unknown VM":       {"POST", "/v1/vms/nope/start", "", "", 404, fault.NotFound, []string{"nope"}},
		"port of zero":     {"GET", "/v1/vms/web/stream/0", "", "", 422, fault.Invalid, []string{"port"}},
		"long name":        {"GET", "/v1/vms/" + strings.Repeat("a", 300), "", "", 422, fault.Invalid, []string{"name"}},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := f.raw(t, c.method, c.path, c.contentType, c.body)
			var p api.Problem
			if err := json.Unmarshal([]byte(body), &p); err != nil {
				t.Fatalf("%d %s: %v", status, body, err)
			}
			if status != c.status || p.Code != string(c.code) {
				t.Errorf("got %d %s, want %d %s", status, body, c.status, c.code)
			}
			for _, want := range c.message {
				if !strings.Contains(p.Message, want) {
					t.Errorf("message %q does not say %q", p.Message, want)
				}
			}
			if len(p.Message) > 2000 {
				t.Errorf("message of %d bytes", len(p.Message))
			}
		})
	}
}

func TestOtherUsersAreRefused(t *testing.T) {
	f := start(t, func(o *server.Options) { o.PeerUID = func(net.Conn) (int, error) { return 1000, nil } })
	if _, err := f.client.Ping(t.Context()); !errors.Is(err, fault.PermissionDenied) {
		t.Errorf("got %v", err)
	}
}

func TestPeerIsTakenFromTheSocket(t *testing.T) {
	f := start(t, func(o *server.Options) { o.PeerUID, o.UID = nil, -1 })
	if _, err := f.client.Ping(t.Context()); !errors.Is(err, fault.PermissionDenied) {
		t.Errorf("a server for user -1 answered: %v", err)
	}
}

func TestEachAnswerNamesTheBuild(t *testing.T) {
	f := start(t)
	if _, err := f.client.GetVM(t.Context(), "nope"); !errors.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	if got := f.client.Daemon(); got.Version != "v1.2.3" || got.Commit != "abc" || got.BuiltAt.Unix() != 1700000000 {
		t.Errorf("got %+v", got)
	}
}

func TestReads(t *testing.T) {
	f := start(t)
	ctx := t.Context()
	vms, err := f.client.ListVMs(ctx, map[string]string{"tier": "front"})
	if err != nil || len(vms) != 1 || vms[0].Name != "web" || vms[0].Runtime != nil {
		t.Errorf("list: %+v, %v", vms, err)
	}
	web, err := f.client.GetVM(ctx, "web")
	if err != nil || web.Runtime == nil || web.Runtime.MonitorPID != 42 {
		t.Errorf("get: %+v, %v", web, err)
	}
	if h, err := f.client.VMHealth(ctx, "web"); err != nil || !h.Ready || h.RoundTripNanos <= 0 {
		t.Errorf("health: %+v, %v", h, err)
	}
	if _, err := f.client.VMHealth(ctx, "idle"); !errors.Is(err, fault.Conflict) {
		t.Errorf("health of a stopped VM: %v", err)
	}
	if ssh, err := f.client.VMSSH(ctx, "idle"); err != nil || ssh.HostAlias != "00000000000000bb" {
		t.Errorf("ssh: %+v, %v", ssh, err)
	}
	if v, err := f.client.WaitVM(ctx, "web", "stopped"); err != nil || v.Name != "web" {
		t.Errorf("wait: %+v, %v", v, err)
	}
	if _, err := f.client.WaitVM(ctx, "web", "never"); !errors.Is(err, fault.Invalid) {
		t.Errorf("wait for nothing known: %v", err)
	}
	if images, err := f.client.ListImages(ctx); err != nil || images == nil || len(images) != 0 {
		t.Errorf("images: %v, %v", images, err)
	}
	if err := f.client.DeleteImage(ctx, "x"); !errors.Is(err, fault.Conflict) {
		t.Errorf("delete image: %v", err)
	}
	if deleted, err := f.client.DeleteKernel(ctx, "x"); err != nil || !slices.Equal(deleted.KeptBy, []string{"VM web"}) {
		t.Errorf("delete kernel: %+v, %v", deleted, err)
	}
}

func TestLogs(t *testing.T) {
	f := start(t)
	logs, err := f.client.VMLogs(t.Context(), "idle", client.LogOptions{Tail: 5, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	if got, err := io.ReadAll(logs); err != nil || string(got) != "booted\n" {
		t.Errorf("following a stopped VM: %q, %v", got, err)
	}
}

func TestLogsOfAVMWithoutAConsoleAreRefused(t *testing.T) {
	f := start(t)
	idle := f.vms["idle"]
	idle.NoConsole = true
	f.vms["idle"] = idle
	if _, err := f.client.VMLogs(t.Context(), "idle", client.LogOptions{}); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "has no console log") {
		t.Errorf("got %v", err)
	}
}

func TestStopIsRefusedWhileBusy(t *testing.T) {
	f := start(t)
	f.active = 2
	if err := f.client.StopDaemon(t.Context(), api.StopDaemon{}); !errors.Is(err, fault.Busy) {
		t.Errorf("got %v", err)
	}
	if err := f.client.StopDaemon(t.Context(), api.StopDaemon{Force: true}); err != nil {
		t.Error(err)
	}
	<-f.stopped
}

func TestWhereTheAgentIs(t *testing.T) {
	f := start(t)
	f.agentSocket = filepath.Join(t.TempDir(), "vsock.sock")
	get := func(name string) (api.Channel, error) { return f.client.Channel(t.Context(), name) }
	want := api.Channel{VM: "web", VMID: "00000000000000aa", Socket: f.agentSocket, Token: "sesame"}
	if at, err := get("web"); err != nil || at != want {
		t.Errorf("%+v, %v", at, err)
	}
	if _, err := get("idle"); !errors.Is(err, fault.Conflict) {
		t.Errorf("of a stopped VM: %v", err)
	}
}

func TestNoDaemon(t *testing.T) {
	c := client.New(t.TempDir() + "/none.sock")
	_, err := c.Ping(t.Context())
	if !errors.Is(err, fault.Unavailable) || !errors.Is(err, client.ErrNoDaemon) || fault.HintOf(err).String() == "" {
		t.Errorf("got %v", err)
	}
}

func TestADaemonOfAnotherStateIsNotTalkedTo(t *testing.T) {
	f := start(t, func(o *server.Options) { o.StateDir = "/home/a/.local/state/banger" })
	f.client.StateDir = "/home/a/.local/state/banger"
	if _, err := f.client.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	f.client.StateDir = "/home/b/.local/state/banger"
	_, err := f.client.Ping(t.Context())
	if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "/home/a/") || fault.HintOf(err).String() == "" {
		t.Errorf("ping: %v", err)
	}
	if _, err := f.client.DialVM(t.Context(), "x", 1); !errors.Is(err, fault.Conflict) {
		t.Errorf("a stream: %v", err)
	}
}
