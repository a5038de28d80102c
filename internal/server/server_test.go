package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/server"
	"github.com/bangervm/banger/internal/vm"
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
	if err := f.client.DeleteKernel(ctx, "x"); err != nil {
		t.Errorf("delete kernel: %v", err)
	}
}

func TestVerbsBecomeOperations(t *testing.T) {
	f := start(t)
	ctx := t.Context()
	none := 0.0
	for _, begin := range []func() (api.Operation, error){
		func() (api.Operation, error) { return f.client.StartVM(ctx, "idle", api.StartVM{Wait: "port:80"}) },
		func() (api.Operation, error) {
			return f.client.StartVM(ctx, "idle", api.StartVM{Wait: "started", Rescue: true})
		},
		func() (api.Operation, error) { return f.client.StopVM(ctx, "web", api.StopVM{}) },
		func() (api.Operation, error) { return f.client.StopVM(ctx, "web", api.StopVM{TimeoutSeconds: &none}) },
		func() (api.Operation, error) { return f.client.ResetVM(ctx, "web", false) },
		func() (api.Operation, error) { return f.client.ResetVM(ctx, "web", true) },
		func() (api.Operation, error) { return f.client.DeleteVM(ctx, "web", api.DeleteVM{Force: true}) },
		func() (api.Operation, error) {
			return f.client.DeleteVM(ctx, "web", api.DeleteVM{Force: true, DiscardWork: true})
		},
	} {
		op, err := begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.client.Wait(ctx, op.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"start 00000000000000bb port:80", "rescue 00000000000000bb started", "stop 00000000000000aa 20s", "stop 00000000000000aa 0s",
		"reset 00000000000000aa false", "reset 00000000000000aa true", "delete 00000000000000aa {Force:true DiscardWork:false}",
		"delete 00000000000000aa {Force:true DiscardWork:true}",
	}
	if diff := cmp.Diff(want, f.calls()); diff != "" {
		t.Error(diff)
	}
	op, err := f.client.DeleteVM(ctx, "web", api.DeleteVM{DiscardWork: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.Wait(ctx, op.ID, nil); !errors.Is(err, fault.Conflict) || fault.HintOf(err).String() != "--force" {
		t.Errorf("the operation's fault: %v, hint %q", err, fault.HintOf(err).String())
	}
}

func TestWatchSeesStagesAndTheResult(t *testing.T) {
	f := start(t)
	step := make(chan struct{})
	f.create = func(_ context.Context, req vm.CreateRequest, p operation.Progress) (vm.VM, error) {
		p.Stage("disk")
		p.Count(1, 2, "bytes")
		<-step
		p.Stage("boot")
		<-step
		return vm.VM{ID: "cc", Name: *req.Name, State: vm.Running}, nil
	}
	name := "new"
	op, err := f.client.CreateVM(t.Context(), api.CreateVM{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	last, err := f.client.Wait(t.Context(), op.ID, func(op api.Operation) {
		for _, s := range op.Stages {
			if s.State == "running" && !seen[s.Name] {
				seen[s.Name] = true
				step <- struct{}{}
			}
		}
	})
	if err != nil || last.State != "succeeded" || !seen["disk"] || !seen["boot"] {
		t.Fatalf("%+v, %v, seen %v", last, err, seen)
	}
	var made api.VM
	if err := json.Unmarshal(last.Result, &made); err != nil || made.Name != "new" {
		t.Errorf("result %s: %v", last.Result, err)
	}
	again, err := f.client.GetOperation(t.Context(), op.ID)
	if err != nil || again.State != "succeeded" {
		t.Errorf("asked by id afterwards: %+v, %v", again, err)
	}
}

func TestCancelEndsTheWork(t *testing.T) {
	f := start(t)
	f.create = func(ctx context.Context, _ vm.CreateRequest, p operation.Progress) (vm.VM, error) {
		p.Stage("boot")
		<-ctx.Done()
		return vm.VM{}, ctx.Err()
	}
	op, err := f.client.CreateVM(t.Context(), api.CreateVM{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.CancelOperation(t.Context(), op.ID); err != nil {
		t.Fatal(err)
	}
	last, err := f.client.Wait(t.Context(), op.ID, nil)
	if !errors.Is(err, fault.Canceled) || last.State != "canceled" {
		t.Errorf("%+v, %v", last, err)
	}
}

func TestALeavingClientCancelsNothing(t *testing.T) {
	f := start(t)
	finish := make(chan struct{})
	f.create = func(ctx context.Context, _ vm.CreateRequest, p operation.Progress) (vm.VM, error) {
		p.Stage("boot")
		select {
		case <-finish:
			return vm.VM{Name: "x"}, nil
		case <-ctx.Done():
			return vm.VM{}, ctx.Err()
		}
	}
	op, err := f.client.CreateVM(t.Context(), api.CreateVM{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := f.client.Wait(ctx, op.ID, func(api.Operation) { cancel() }); !errors.Is(err, fault.Canceled) {
		t.Fatalf("the wait: %v", err)
	}
	close(finish)
	if last, err := f.client.Wait(t.Context(), op.ID, nil); err != nil || last.State != "succeeded" {
		t.Errorf("the operation: %+v, %v", last, err)
	}
}

func TestWatchAttachesAgain(t *testing.T) {
	f := start(t)
	finish := make(chan struct{}, 1)
	f.create = func(_ context.Context, _ vm.CreateRequest, p operation.Progress) (vm.VM, error) {
		p.Stage("boot")
		<-finish
		return vm.VM{Name: "x"}, nil
	}
	op, err := f.client.CreateVM(t.Context(), api.CreateVM{})
	if err != nil {
		t.Fatal(err)
	}
	watcher := client.New(f.socket)
	defer watcher.Close()
	dial, conns := watcher.Dial, 0
	var conn net.Conn
	watcher.Dial = func(ctx context.Context) (net.Conn, error) {
		conns++
		var err error
		conn, err = dial(ctx)
		return conn, err
	}
	last, err := watcher.Wait(t.Context(), op.ID, func(api.Operation) {
		if conns == 1 {
			_ = conn.Close()
			return
		}
		select {
		case finish <- struct{}{}:
		default:
		}
	})
	if err != nil || last.State != "succeeded" || conns < 2 {
		t.Errorf("%+v, %v after %d connections", last, err, conns)
	}
}

func TestWatchUnknown(t *testing.T) {
	f := start(t)
	if _, err := f.client.Wait(t.Context(), "nope", nil); !errors.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func TestInputReachesThePull(t *testing.T) {
	f := start(t)
	var got bytes.Buffer
	f.pull = func(_ context.Context, req image.PullRequest, _ operation.Progress) (image.Manifest, error) {
		_, err := io.Copy(&got, req.Input)
		return image.Manifest{Name: req.Name}, err
	}
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	op, err := f.client.PullImage(t.Context(), api.PullImage{Ref: "tar:-", Name: "deb"})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.client.SendInput(t.Context(), op.ID, bytes.NewReader(sent)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.Wait(t.Context(), op.ID, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), sent) {
		t.Errorf("%d bytes arrived of %d", got.Len(), len(sent))
	}
	if err := f.client.SendInput(t.Context(), op.ID, strings.NewReader("x")); !errors.Is(err, fault.Conflict) {
		t.Errorf("input to an ended operation: %v", err)
	}
}

func TestInputThatBreaksOffFailsThePull(t *testing.T) {
	f := start(t)
	f.pull = func(_ context.Context, req image.PullRequest, _ operation.Progress) (image.Manifest, error) {
		_, err := io.Copy(io.Discard, req.Input)
		return image.Manifest{}, err
	}
	op, err := f.client.PullImage(t.Context(), api.PullImage{Ref: "tar:-"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write(make([]byte, 4<<20)) // more than fits on the way: some of it has arrived
		cancel()
	}()
	if err := f.client.SendInput(ctx, op.ID, r); err == nil {
		t.Error("a broken send succeeded")
	}
	if _, err := f.client.Wait(t.Context(), op.ID, nil); !errors.Is(err, fault.Unavailable) {
		t.Errorf("the pull: %v", err)
	}
	_ = w.Close()
}

func TestInputThatNeverComesFailsThePull(t *testing.T) {
	f := start(t, func(o *server.Options) { o.InputTimeout = time.Millisecond })
	f.pull = func(_ context.Context, req image.PullRequest, _ operation.Progress) (image.Manifest, error) {
		_, err := io.Copy(io.Discard, req.Input)
		return image.Manifest{}, err
	}
	op, err := f.client.PullImage(t.Context(), api.PullImage{Ref: "tar:-"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.Wait(t.Context(), op.ID, nil); !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestPullThatEndsEarlyReleasesTheSender(t *testing.T) {
	f := start(t)
	f.pull = func(context.Context, image.PullRequest, operation.Progress) (image.Manifest, error) {
		return image.Manifest{}, fault.New(fault.Invalid, "that is no tar")
	}
	op, err := f.client.PullImage(t.Context(), api.PullImage{Ref: "tar:-"})
	if err != nil {
		t.Fatal(err)
	}
	_ = f.client.SendInput(t.Context(), op.ID, bytes.NewReader(make([]byte, 8<<20)))
	if _, err := f.client.Wait(t.Context(), op.ID, nil); !errors.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

// echo sends back what it gets, and after end-of-file says so.
func echo(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_, _ = io.Copy(conn, conn)
	_, _ = conn.Write([]byte("<eof>"))
}

func TestStreamHalfCloses(t *testing.T) {
	f := start(t)
	f.guest = echo
	s, err := f.client.DialVM(t.Context(), "web", agentrpc.SSHPort)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	sent := bytes.Repeat([]byte("xyz"), 300_000)
	go func() {
		_, _ = s.Write(sent)
		_ = s.CloseWrite()
	}()
	got, err := io.ReadAll(s)
	if err != nil || string(got) != string(sent)+"<eof>" {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestExecPassesTheStream(t *testing.T) {
	f := start(t)
	f.guest = func(conn net.Conn) {
		_, _ = conn.Write([]byte("early"))
		echo(conn)
	}
	s, err := f.client.ExecVM(t.Context(), "web", api.Exec{Command: []string{"uname", "-a"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	_ = s.CloseWrite()
	if got, err := io.ReadAll(s); err != nil || string(got) != "early<eof>" {
		t.Errorf("%q, %v", got, err)
	}
	if diff := cmp.Diff([]string{"exec uname -a"}, f.calls()); diff != "" {
		t.Error(diff)
	}
}

func TestUpgradesAreRefusedAsFaults(t *testing.T) {
	f := start(t)
	if _, err := f.client.ExecVM(t.Context(), "idle", api.Exec{Command: []string{"x"}}); !errors.Is(err, fault.Conflict) {
		t.Errorf("exec in a stopped VM: %v", err)
	}
	if _, err := f.client.ExecVM(t.Context(), "web", api.Exec{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("exec of nothing: %v", err)
	}
	if _, err := f.client.DialVM(t.Context(), "web", 9); !errors.Is(err, fault.Unavailable) {
		t.Errorf("a port that nobody has: %v", err)
	}
}

func TestShutdownEndsStreams(t *testing.T) {
	f := start(t)
	f.guest = echo
	s, err := f.client.DialVM(t.Context(), "web", agentrpc.SSHPort)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	logs, err := f.client.VMLogs(t.Context(), "web", client.LogOptions{Tail: -1, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := f.server.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	_ = s.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := s.Read(make([]byte, 1)); n > 0 || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the stream lives on: %d, %v", n, err)
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

func TestStopIsRefusedWhileItWouldCutStreams(t *testing.T) {
	f := start(t)
	f.guest = echo
	open := func() *client.Stream {
		t.Helper()
		s, err := f.client.ExecVM(t.Context(), "web", api.Exec{Command: []string{"make"}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two := open(), open()
	defer func() { _ = two.Close() }()
	ssh, err := f.client.DialVM(t.Context(), "web", agentrpc.SSHPort)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ssh.Close() }()
	err = f.client.StopDaemon(t.Context(), api.StopDaemon{})
	if !errors.Is(err, fault.Busy) || !strings.Contains(err.Error(), "exec in web (2 times), ssh to web") || !strings.Contains(fault.HintOf(err).String(), "--force") {
		t.Fatalf("got %v (%s)", err, fault.HintOf(err).String())
	}
	if err := one.Close(); err != nil {
		t.Error(err)
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
