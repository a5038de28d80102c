package mcp

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/api"
)

func TestVMCreate(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	got := get[VM](t, s, "vm_create", object{
		"name": "box", "image": "debian", "vcpu": 2, "memory_mib": 512, "disk_mib": 4096, "env": object{"K": "v"}, "labels": object{"for": "test"},
	})
	if got.Name != "box" || got.State != "running" {
		t.Errorf("%+v", got)
	}
	req := f.created[0]
	if *req.Name != "box" || *req.Image != "debian" || *req.VCPU != 2 || *req.MemoryBytes != 512<<20 || *req.DiskBytes != 4<<30 ||
		!*req.Start || req.Entrypoint != nil || req.Env[0] != "K=v" || req.Labels["for"] != "test" {
		t.Errorf("%+v", req)
	}
	get[VM](t, s, "vm_create", object{"start": false, "restart_policy": "on-failure"})
	if req := f.created[1]; *req.Start || *req.Entrypoint != "on-failure" || req.Name != nil || req.Image != nil || req.VCPU != nil || req.MemoryBytes != nil || req.DiskBytes != nil {
		t.Errorf("%+v", req)
	}
}

// A create that is cancelled is undone before the call is over.
func TestVMCreateCancelled(t *testing.T) {
	f := newFake(t)
	f.hang = true
	s := connect(t, f, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		until(t, func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.created) == 1 })
		cancel()
	}()
	if _, err := s.CallTool(ctx, &sdk.CallToolParams{Name: "vm_create"}); err == nil {
		t.Error("a cancelled call has a result")
	}
	receiveWithin(t, f.undone)
	if f.canceled[0] != "vm.create" {
		t.Errorf("cancelled %v", f.canceled)
	}
}

// A client that gives a token hears of each stage, and the number only grows.
func TestVMCreateProgress(t *testing.T) {
	f := newFake(t)
	stage := func(state string, done int64) api.Stage {
		return api.Stage{Name: "pull", Detail: "debian", State: state, Done: done, Total: 100}
	}
	f.stages = [][]api.Stage{
		{stage("running", 0)},
		{stage("running", 50)},
		{stage("running", 20)},
		{stage("done", 100)},
		{stage("done", 100), {Name: "boot", State: "running"}},
		{stage("done", 100), {Name: "boot", State: "done"}},
	}
	heard := make(chan sdk.ProgressNotificationParams, 32)
	s := connect(t, f, &sdk.ClientOptions{ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
		heard <- *r.Params
	}})
	params := &sdk.CallToolParams{Name: "vm_create"}
	params.SetProgressToken("token")
	if res, err := s.CallTool(t.Context(), params); err != nil || res.IsError {
		t.Fatalf("%+v, %v", res, err)
	}
	get[VM](t, s, "vm_create", object{}) // without a token: nothing
	last, messages := -1.0, ""
	for {
		p := receiveWithin(t, heard)
		if p.ProgressToken != "token" || p.Progress <= last {
			t.Errorf("%+v after %v", p, last)
		}
		last = p.Progress
		messages += p.Message + ";"
		if strings.Contains(messages, "boot") {
			break
		}
	}
	if !strings.HasPrefix(messages, "pull: debian;") {
		t.Errorf("%s", messages)
	}
}

func TestVMList(t *testing.T) {
	f := newFake(t)
	f.vms = nil
	s := connect(t, f, nil)
	if got := get[vmListResult](t, s, "vm_list", nil); got.VMs == nil || len(got.VMs) != 0 {
		t.Errorf("%+v", got)
	}
	for _, name := range []string{"a", "b", "c"} {
		f.vms = append(f.vms, api.VM{Name: name, State: "running", Workspace: &api.Workspace{Path: "/r", State: "changed", Files: 3}})
	}
	f.vms[1].State = "stopped"
	got := get[vmListResult](t, s, "vm_list", object{"limit": 1})
	if got.Total != 3 || len(got.VMs) != 1 || got.VMs[0].Name != "c" || got.VMs[0].Workspace.Files != 3 {
		t.Errorf("%+v", got)
	}
	if got := get[vmListResult](t, s, "vm_list", object{"state": "stopped"}); got.Total != 1 || got.VMs[0].Name != "b" {
		t.Errorf("%+v", got)
	}
}

func TestVMStartStopDelete(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	get[VM](t, s, "vm_start", object{"vm": "box", "rescue": true})
	get[VM](t, s, "vm_start", object{"vm": "box"})
	if diff := cmp.Diff([]api.StartVM{{Rescue: true}, {}}, f.started); diff != "" {
		t.Errorf("starts (-want +got):\n%s", diff)
	}
	get[VM](t, s, "vm_stop", object{"vm": "box"})
	get[VM](t, s, "vm_stop", object{"vm": "box", "timeout_seconds": 0})
	if *f.stopped[0].TimeoutSeconds != 20 || *f.stopped[1].TimeoutSeconds != 0 {
		t.Errorf("%v, %v", *f.stopped[0].TimeoutSeconds, *f.stopped[1].TimeoutSeconds)
	}
	if got := get[vmDeleteResult](t, s, "vm_delete", object{"vm": "box", "force": true}); got.Deleted != "box" || f.deletes[0] != (api.DeleteVM{Force: true}) {
		t.Errorf("%+v", got)
	}
}

// Work that no export has: the agent hears what it would lose, and how to get it.
func TestVMDeleteKeepsWork(t *testing.T) {
	f := newFake(t)
	f.unsaved = "changes in 2 files"
	s := connect(t, f, nil)
	for _, args := range []object{{"vm": "box"}, {"vm": "box", "force": true}} {
		p := refused(t, s, "vm_delete", args)
		if p.Code != "conflict" || !strings.Contains(p.Message, "has unexported work in /root/repo: changes in 2 files") ||
			p.Hint != `call vm_start {"vm": "box"}, then call workspace_export {"vm": "box"}, or call vm_delete {"vm": "box", "force": true, "discard_work": true} to discard it` {
			t.Errorf("%v: %+v", args, p)
		}
	}
	if got := get[vmDeleteResult](t, s, "vm_delete", object{"vm": "box", "discard_work": true}); got.Deleted != "box" || f.deletes[2] != (api.DeleteVM{DiscardWork: true}) {
		t.Errorf("%+v, %+v", got, f.deletes)
	}
}

func TestFileRead(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	f.files["/text"] = []byte("aé€b")
	got := get[fileReadResult](t, s, "file_read", object{"vm": "box", "path": "/text"})
	if got.Content != "aé€b" || got.Encoding != "text" || !got.End || got.Next != 7 || got.Size != 7 || got.Mode != "0640" {
		t.Errorf("%+v", got)
	}
	// In pieces that cut through characters it is still text, and whole.
	var all string
	for next := int64(0); ; {
		got := get[fileReadResult](t, s, "file_read", object{"vm": "box", "path": "/text", "offset": next, "limit_bytes": 3})
		if got.Encoding != "text" || got.Offset != next || got.Next == next {
			t.Fatalf("%+v", got)
		}
		all, next = all+got.Content, got.Next
		if got.End {
			break
		}
	}
	if all != "aé€b" {
		t.Errorf("%q", all)
	}
	f.files["/bin"] = []byte("\x7fELF\x00\xff")
	got = get[fileReadResult](t, s, "file_read", object{"vm": "box", "path": "/bin"})
	if data, err := base64.StdEncoding.DecodeString(got.Content); err != nil || !bytes.Equal(data, f.files["/bin"]) || got.Encoding != "base64" {
		t.Errorf("%+v", got)
	}
	f.files["/empty"] = nil
	if got := get[fileReadResult](t, s, "file_read", object{"vm": "box", "path": "/empty"}); !got.End || got.Content != "" {
		t.Errorf("%+v", got)
	}
	if p := refused(t, s, "file_read", object{"vm": "box", "path": "/none"}); p.Code != "not_found" || !strings.Contains(p.Message, "/none") {
		t.Errorf("%+v", p)
	}
}

func TestFileWrite(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	got := get[fileWriteResult](t, s, "file_write", object{"vm": "box", "path": "/a", "content": "é"})
	if !got.Created || got.Bytes != 2 || string(f.files["/a"]) != "é" || f.mode != nil {
		t.Errorf("%+v", got)
	}
	got = get[fileWriteResult](t, s, "file_write", object{"vm": "box", "path": "/a", "content": "AP8=", "encoding": "base64", "mode": "0755"})
	if got.Created || string(f.files["/a"]) != "\x00\xff" || *f.mode != 0o755 {
		t.Errorf("%+v, %v", got, f.mode)
	}
	if p := refused(t, s, "file_write", object{"vm": "box", "path": "/none/a", "content": ""}); p.Code != "not_found" || !strings.Contains(p.Hint, "create_directories") {
		t.Errorf("%+v", p)
	}
	// The largest that is allowed goes through, also when JSON makes it longer.
	get[fileWriteResult](t, s, "file_write", object{"vm": "box", "path": "/big", "content": base64.StdEncoding.EncodeToString(make([]byte, maxWrite)), "encoding": "base64"})
	if len(f.files["/big"]) != maxWrite {
		t.Errorf("%d bytes", len(f.files["/big"]))
	}
}

func TestSessions(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	started := get[Session](t, s, "session_start", object{
		"vm": "box", "command": []string{"server"}, "name": "s", "tty": true, "env": object{"A": "1"}, "require": []string{"server"},
	})
	if started.State != "running" || !f.starts[0].TTY || f.starts[0].Require[0] != "server" || f.starts[0].Env[0] != "A=1" {
		t.Errorf("%+v, %+v", started, f.starts)
	}
	if got := get[sessionListResult](t, s, "session_list", object{"vm": "box"}); len(got.Sessions) != 1 {
		t.Errorf("%+v", got)
	}
	get[sessionSendResult](t, s, "session_send", object{"vm": "box", "session": "s", "content": "hello", "newline": true})
	if string(f.sent) != "hello\n" || f.eof {
		t.Errorf("%q", f.sent)
	}
	get[sessionSendResult](t, s, "session_send", object{"vm": "box", "session": "s", "eof": true})
	if !f.eof {
		t.Error("no end of input")
	}
	if got := get[Session](t, s, "session_stop", object{"vm": "box", "session": "s"}); *got.ExitCode != 143 || *f.stops[0].TimeoutSeconds != 10 {
		t.Errorf("%+v", got)
	}
}

func TestSessionRead(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	read := func(offset int64) sessionReadResult {
		return get[sessionReadResult](t, s, "session_read", object{"vm": "box", "session": "s", "offset": offset, "limit_bytes": 4})
	}
	// The character that is not all there yet comes with the next read.
	f.output = []byte("ab\xe2\x82")
	if got := read(-1); got.Content != "ab" || got.Encoding != "text" || got.Next != 2 || got.Ended {
		t.Errorf("%+v", got)
	}
	f.output, f.ended = []byte("ab\xe2\x82\xac."), true
	if got := read(2); got.Content != "€." || got.Next != 6 || !got.Ended || got.Written != 6 {
		t.Errorf("%+v", got)
	}
	if got := read(0); got.Content != "ab" || got.Ended {
		t.Errorf("%+v", got)
	}
}

func TestWorkspaceLoop(t *testing.T) {
	f := newFake(t)
	f.patch = []byte("diff --git a/a b/a\n")
	s := connect(t, f, nil)
	sent := get[prepareResult](t, s, "workspace_prepare", object{"vm": "box", "path": "/src/repo"})
	if sent.Path != "/root/repo" || sent.BaseTree != "7ee" || f.prepared[0].Path != "/src/repo" || f.prepared[0].Mode != "shallow" {
		t.Errorf("%+v, %+v", sent, f.prepared)
	}
	got := get[exportResult](t, s, "workspace_export", object{"vm": "box"})
	if got.Content != string(f.patch) || got.Encoding != "text" || got.BaseCommit != "7ee" || got.Files[0].Path != "a" || len(f.accepted) != 1 {
		t.Errorf("%+v, accepted %v", got, f.accepted)
	}
	if got.Applies != nil {
		t.Error("says whether it applies, which nobody checked")
	}
	for _, inWay := range [][]string{nil, {"a"}} {
		f.inWay = inWay
		got := get[exportResult](t, s, "workspace_export", object{"vm": "box", "check": true})
		if got.Applies == nil || *got.Applies != (inWay == nil) || len(got.Conflicts) != len(inWay) {
			t.Errorf("%v in the way: %+v", inWay, got)
		}
	}
}

// A patch that is too large for an answer is left out whole, and does not count
// as exported.
func TestExportTooLarge(t *testing.T) {
	f := newFake(t)
	f.patch = bytes.Repeat([]byte("x"), 101)
	s := connect(t, f, nil)
	got := get[exportResult](t, s, "workspace_export", object{"vm": "box", "content_limit_bytes": 100})
	if !got.Omitted || got.Content != "" || got.Bytes != 101 || len(f.accepted) != 0 {
		t.Errorf("%+v, accepted %v", got, f.accepted)
	}
	out := filepath.Join(t.TempDir(), "out.patch")
	got = get[exportResult](t, s, "workspace_export", object{"vm": "box", "content_limit_bytes": 100, "output_path": out})
	if data, err := os.ReadFile(out); err != nil || !bytes.Equal(data, f.patch) || got.Output != out || got.Content != "" || len(f.accepted) != 1 {
		t.Errorf("%+v, %q, %v", got, data, err)
	}
	if p := refused(t, s, "workspace_export", object{"vm": "box", "output_path": out}); p.Code != "conflict" {
		t.Errorf("%+v", p)
	}
}

// An export that breaks off is an error; nothing is written, nothing accepted.
func TestExportBreaksOff(t *testing.T) {
	f := newFake(t)
	f.patch, f.torn = []byte("diff --git a/a b/a\n"), "the export ended after 3 of 19 bytes"
	s := connect(t, f, nil)
	dir := t.TempDir()
	for _, args := range []object{{"vm": "box"}, {"vm": "box", "output_path": filepath.Join(dir, "x")}} {
		if p := refused(t, s, "workspace_export", args); p.Code != "unavailable" || !strings.Contains(p.Message, "after 3 of 19 bytes") {
			t.Errorf("%+v", p)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 || len(f.accepted) != 0 {
		t.Errorf("left %v, accepted %v", left, f.accepted)
	}
}
