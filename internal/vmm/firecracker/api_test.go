package firecracker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/pace"
)

// serve serves the fake, and returns a client of it.
func serve(t *testing.T, f *fakeAPI) *client {
	t.Helper()
	f.phase, f.booted = "Not started", map[string]bool{}
	if f.version == "" {
		f.version = "1.16.1"
	}
	path := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", path) //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: watched(t, f.version, f), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	c := newClient(path, usualLimits())
	t.Cleanup(func() {
		c.close()
		_ = server.Close()
		if f.vsock != nil {
			_ = f.vsock.Close()
		}
	})
	return c
}

// real starts the Firecracker under test, and returns a client of it.
func real(t *testing.T) *client {
	t.Helper()
	program := os.Getenv("BANGER_E2E_FIRECRACKER")
	if program == "" {
		t.Skip("BANGER_E2E_FIRECRACKER names no Firecracker")
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, "--api-sock", apiSocket, "--level", "Warning")
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	c := newClient(filepath.Join(dir, apiSocket), usualLimits())
	t.Cleanup(c.close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		err := c.learnVersion(ctx)
		if err == nil {
			return c
		}
		if !notListening(err) || pace.Pause(ctx, 5*time.Millisecond) != nil {
			t.Fatal(err)
		}
	}
}

func TestTheFakeIsAsStrictAsFirecracker(t *testing.T) {
	t.Run("fake", func(t *testing.T) { apiContract(t, serve(t, &fakeAPI{})) })
	t.Run("real", func(t *testing.T) { apiContract(t, real(t)) })
}

// apiContract is what the client relies on of the API before a machine runs, which needs
// no KVM.
func apiContract(t *testing.T, c *client) {
	dir := t.TempDir()
	file, stale := filepath.Join(dir, "file"), filepath.Join(dir, "stale")
	for _, path := range []string{file, stale} {
		if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const malformed = "An error occurred when deserializing the json body of a request: "
	for _, s := range []struct {
		method, path, body string
		status             int
		message            string // begins so
	}{
		{"GET", "/", "", 200, ""},
		{"PUT", "/actions", `{"action_type":"InstanceStart"}`, 400, "Start microvm error: Cannot start microvm without kernel configuration."},
		{"PUT", "/actions", `{"action_type":"SendCtrlAltDel"}`, 400, "The requested operation is not supported before starting the microVM."},
		{"PUT", "/actions", `{"action_type":"FlushMetrics"}`, 400, "The requested operation is not supported before starting the microVM."},
		{"PUT", "/actions", `{"action_type":"Nope"}`, 400, malformed + "unknown variant `Nope`, expected one of `FlushMetrics`, `InstanceStart`, `SendCtrlAltDel`"},
		{"PUT", "/actions", `{`, 400, malformed},
		{"PUT", "/actions", `{}`, 400, malformed + "missing field `action_type`"},
		{"PATCH", "/vm", `{"state":"Paused"}`, 400, "The requested operation is not supported before starting the microVM."},
		{"PATCH", "/vm", `{"state":"Odd"}`, 400, ""},
		{"PUT", "/machine-config", `{"vcpu_count":1,"mem_size_mib":128,"xx":1}`, 400, malformed + "unknown field `xx`"},
		{"PUT", "/machine-config", `{"vcpu_count":1}`, 400, malformed + "missing field `mem_size_mib`"},
		{"PUT", "/machine-config", `{"vcpu_count":33,"mem_size_mib":128}`, 400, "Machine config error: The number of vCPUs must be greater than 0"},
		{"PUT", "/machine-config", `{"vcpu_count":0,"mem_size_mib":128}`, 400, "Machine config error: The number of vCPUs must be greater than 0"},
		{"PUT", "/machine-config", `{"vcpu_count":1,"mem_size_mib":0}`, 400, "Machine config error: The memory size (MiB) is either 0"},
		{"PUT", "/machine-config", `{"vcpu_count":3,"mem_size_mib":128}`, 204, ""},
		{"PUT", "/boot-source", `{"kernel_image_path":"/none","boot_args":"x"}`, 400, "Boot source error: The kernel file cannot be opened: No such file or directory (os error 2)"},
		{"PUT", "/boot-source", fmt.Sprintf(`{"kernel_image_path":%q,"boot_args":%q}`, file, strings.Repeat("x", maxCommandLine)), 400, "Boot source error: The kernel command line is invalid"},
		{"PUT", "/drives/a-b", `{"drive_id":"a-b","is_root_device":false,"path_on_host":"/none"}`, 400, "API Resource IDs can only contain alphanumeric characters and underscores."},
		{"PUT", "/drives/ab", `{"drive_id":"ab","is_root_device":false,"path_on_host":"/none"}`, 400, "Drive config error: Unable to create the virtio block device"},
		{"PUT", "/drives/ab", fmt.Sprintf(`{"drive_id":"ab","path_on_host":%q}`, file), 400, malformed + "missing field `is_root_device`"},
		{"PUT", "/drives/ab", fmt.Sprintf(`{"drive_id":"other","is_root_device":false,"path_on_host":%q}`, file), 400, ""},
		{"PUT", "/drives/ab", fmt.Sprintf(`{"drive_id":"ab","is_root_device":false,"is_read_only":true,"cache_type":"Odd","path_on_host":%q}`, file), 400, malformed + "unknown variant `Odd`"},
		{"PUT", "/vsock", fmt.Sprintf(`{"guest_cid":3,"uds_path":%q}`, stale), 400, "Vsock config error: Cannot create backend for vsock device: Error binding to the host-side Unix socket: Address already in use"},
		{"PUT", "/entropy", `{"odd":1}`, 400, malformed + "unknown field `odd`"},
		{"PUT", "/balloon", `{"amount_mib":0}`, 400, malformed + "missing field `deflate_on_oom`"},
		{"PUT", "/none", `{}`, 400, "Invalid request method and/or path: PUT none."},
		{"PUT", "/vsock", "", 400, "Empty PUT request."},
	} {
		status, message := exchange(t, c, s.method, s.path, s.body)
		if status != s.status || !strings.HasPrefix(message, s.message) {
			t.Errorf("%s %s %.200s: %d %q, want %d %q", s.method, s.path, s.body, status, message, s.status, s.message)
		}
	}
	t.Run("what banger sends is taken", func(t *testing.T) { describes(t, c, file, filepath.Join(dir, "v.sock")) })
}

// describes sends the description of a machine, but for its start.
func describes(t *testing.T, c *client, file, vsock string) {
	if err := c.learnVersion(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]any{
		"/metrics":        metricsConfig{Path: filepath.Join(filepath.Dir(vsock), "metrics")},
		"/cpu-config":     notNested(),
		"/machine-config": machineConfig{VCPUs: 2, MemoryMiB: 256},
		"/boot-source":    bootSource{Kernel: file, Initrd: file, Args: "console=ttyS0"},
		"/drives/disk0":   drive{ID: "disk0", Path: file, ReadOnly: true, Cache: "Writeback"},
		"/vsock":          vsockDevice{CID: guestCID, Socket: vsock},
		"/entropy":        entropyDevice{},
		"/balloon":        balloon{DeflateOnOOM: true, FreePageReporting: true},
	} {
		if err := c.put(t.Context(), path, body); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// exchange makes a call as it is written.
func exchange(t *testing.T, c *client, method, path, body string) (status int, message string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://fc"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var fault struct {
		Message string `json:"fault_message"`
	}
	_ = json.Unmarshal(data, &fault)
	return res.StatusCode, fault.Message
}

func TestALifeByTheAPI(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	var life []string
	c := serve(t, &fakeAPI{
		start: func(net.Listener) error { life = append(life, "start"); return nil },
		press: func() { life = append(life, "press") },
		state: func(paused bool) { life = append(life, fmt.Sprint("paused ", paused)) },
	})
	describes(t, c, file, filepath.Join(t.TempDir(), "v.sock"))
	if err := c.put(t.Context(), "/network-interfaces/eth0", networkInterface{ID: "eth0", TAP: "tap0", MAC: "52:54:00:00:01:02", MTU: 1500}); err != nil {
		t.Error(err)
	}
	for _, err := range []error{
		c.act(t.Context(), actionStart), c.setState(t.Context(), statePaused), c.setState(t.Context(), stateResumed), c.act(t.Context(), actionCtrlAltDel),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(life, ", "); got != "start, paused true, paused false, press" {
		t.Errorf("the life was: %s", got)
	}
	if r, ok := isRefusal(c.act(t.Context(), actionStart)); !ok || r.message != "The requested operation is not supported after starting the microVM" {
		t.Errorf("a second start gave %v", r)
	}
}

func TestFieldsThatAVersionDoesNotKnowAreNotSent(t *testing.T) {
	for v, want := range map[string]string{"1.15.1": "", "1.16.0": "mtu", "1.17.0-dev": "mtu"} {
		c := serve(t, &fakeAPI{version: v})
		if err := c.learnVersion(t.Context()); err != nil {
			t.Fatal(err)
		}
		nic := networkInterface{ID: "eth0", TAP: "tap0", MAC: "52:54:00:00:01:02", MTU: 1500}
		body, err := c.encode("/network-interfaces/eth0", nic)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		if err != nil || strings.Contains(string(data), "mtu") != (want == "mtu") {
			t.Errorf("%s: %s, %v", v, data, err)
		}
		if err := c.put(t.Context(), "/network-interfaces/eth0", nic); err != nil {
			t.Errorf("%s: %v", v, err)
		}
	}
}

func TestCallsThatGoWrong(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"fault_message":"no\u001b[31m way."}`)
		},
		"no words": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); _, _ = io.WriteString(w, `<html>`) },
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{`) },
		"no version": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"firecracker_version":"new"}`)
		},
		"much too big": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxAnswer+1)) },
	}
	for name, want := range map[string]string{
		"refused": "GET /version is refused: no?[31m way", "no words": "Internal Server Error", "not JSON": "read the answer",
		"no version": `the version is "new"`, "much too big": "is over 65536 bytes",
	} {
		c := serveHandler(t, answers[name])
		if err := c.learnVersion(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACallThatHangsEndsAtItsDeadline(t *testing.T) {
	c := serveHandler(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if err := c.do(t.Context(), 10*time.Millisecond, http.MethodGet, "/", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.setState(cancelled, statePaused); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func serveHandler(t *testing.T, h http.HandlerFunc) *client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "api.sock")
	l, err := net.Listen("unix", path) //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	c := newClient(path, usualLimits())
	t.Cleanup(func() { c.close(); _ = server.Close() })
	return c
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]version{
		"Firecracker v1.16.1\n\n2026-11-29T22:42:54 [anonymous-instance:main] Firecracker exiting": {1, 16, 1},
		"1.17.0-dev": {1, 17, 0}, "1.15.1+fuzzing": {1, 15, 1},
	} {
		if v, ok := parseVersion(text); !ok || v != want {
			t.Errorf("%q: %v, %v", text, v, ok)
		}
	}
	for _, text := range []string{"", "new", "1.2", "v1.2.x", "QEMU emulator version 7.2.22.1", "99999.1.1"} {
		if v, ok := parseVersion(text); ok {
			t.Errorf("%q: %v", text, v)
		}
	}
	for v, want := range map[version]bool{{1, 15, 1}: false, {1, 16, 0}: true, {1, 16, 1}: true, {1, 17, 0}: false} {
		if v.resumeLosesVsock() != want {
			t.Errorf("%v: %v", v, !want)
		}
	}
}
