package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect starts a server and returns a session of the SDK's own client.
func connect(t *testing.T, f *fake, opts *sdk.ClientOptions) *sdk.ClientSession {
	t.Helper()
	here, there := sdk.NewInMemoryTransports()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- New(f.daemon(), "test", typed).run(ctx, there) }()
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test"}, opts).Connect(ctx, here, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = session.Close()
		cancel()
		if err := <-served; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
	})
	return session
}

// call calls a tool. A protocol error fails the test.
func call(t *testing.T, s *sdk.ClientSession, tool string, args any) *sdk.CallToolResult {
	t.Helper()
	res, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	return res
}

func text(res *sdk.CallToolResult) string {
	if len(res.Content) != 1 {
		return ""
	}
	return res.Content[0].(*sdk.TextContent).Text
}

// get calls a tool that must succeed.
func get[T any](t *testing.T, s *sdk.ClientSession, tool string, args any) T {
	t.Helper()
	res := call(t, s, tool, args)
	var out T
	if res.IsError {
		t.Fatalf("%s: %s", tool, text(res))
	}
	if err := json.Unmarshal([]byte(text(res)), &out); err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	return out
}

// refused calls a tool that must fail, and returns its error.
func refused(t *testing.T, s *sdk.ClientSession, tool string, args any) api.Problem {
	t.Helper()
	res := call(t, s, tool, args)
	if !res.IsError {
		t.Fatalf("%s %v was not refused: %s", tool, args, text(res))
	}
	if res.StructuredContent != nil {
		t.Errorf("%s: an error with structured content, which its output schema does not describe", tool)
	}
	var p api.Problem
	decoder := json.NewDecoder(strings.NewReader(text(res)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil || p.Code == "" || p.Message == "" {
		t.Fatalf("%s: error %q: %v", tool, text(res), err)
	}
	return p
}

type object = map[string]any

// Each tool says what it does to its world, takes only what its schema names,
// and bounds each text, list and number that it takes.
func TestToolsDescribeThemselves(t *testing.T) {
	s := connect(t, newFake(t), nil)
	res, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	readOnly := map[string]bool{
		"vm_list": true, "file_read": true, "session_list": true, "session_read": true, "vm_ports": true, "vm_egress": true, "vm_egress_log": true,
		"vm_show": true, "vm_logs": true, "image_list": true, "session_wait": true, "snapshot_list": true,
	}
	destructive := map[string]bool{
		"vm_delete": true, "vm_stop": true, "exec": true, "file_write": true, "workspace_prepare": true,
		"session_start": true, "file_edit": true, "session_send": true, "session_stop": true,
		"vm_commit": true, "vm_rollback": true,
	}
	want := 29
	if len(res.Tools) != want {
		t.Errorf("%d tools, want %d", len(res.Tools), want)
	}
	for _, tool := range res.Tools {
		a := tool.Annotations
		switch {
		case a == nil || a.Title == "" || tool.Description == "" || a.DestructiveHint == nil || a.OpenWorldHint == nil:
			t.Errorf("%s lacks a description or annotations: %+v", tool.Name, a)
			continue
		case a.ReadOnlyHint != readOnly[tool.Name] || *a.DestructiveHint != destructive[tool.Name]:
			t.Errorf("%s: %+v, destructive %v", tool.Name, a, *a.DestructiveHint)
		}
		if len(tool.Description) > 240 {
			t.Errorf("%s: a description of %d bytes", tool.Name, len(tool.Description))
		}
		in, out := tool.InputSchema.(object), tool.OutputSchema.(object)
		if in["type"] != "object" || out["type"] != "object" || in["additionalProperties"] == nil {
			t.Errorf("%s: schemas %v, %v", tool.Name, in, out)
		}
		properties, _ := in["properties"].(object)
		for name, p := range properties {
			checkBounded(t, tool.Name+"."+name, p.(object))
		}
	}
}

func checkBounded(t *testing.T, name string, p object) {
	t.Helper()
	needs := map[string][]string{
		"string": {"maxLength", "enum", "pattern"}, "integer": {"maximum"}, "number": {"maximum"},
		"array": {"maxItems"}, "object": {"maxProperties"}, "boolean": {"type"},
	}
	kind, _ := p["type"].(string)
	for _, key := range needs[kind] {
		if p[key] != nil {
			return
		}
	}
	t.Errorf("%s is not bounded: %v", name, p)
}

// What is wrong with arguments is an error that the agent sees, with the
// argument's name, and nothing is done.
func TestBadArguments(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		tool  string
		args  object
		about string
	}{
		{"vm_create", object{"name": "Not_A_Label"}, "name"},
		{"vm_create", object{"vcpu": 0}, "vcpu"},
		{"vm_create", object{"vcpu": "two"}, "vcpu"},
		{"vm_create", object{"memory_mib": -1}, "memory_mib"},
		{"vm_create", object{"disk_mib": 1e12}, "disk_mib"},
		{"vm_create", object{"cpus": 2}, "cpus"},
		{"vm_create", object{"env": object{"": "x"}}, "env"},
		{"exec", object{"vm": "box", "command": []string{"ls"}, "env": object{"A=B": "c"}}, "env"},
		{"workspace_export", object{"vm": "box", "base_commit": "--output=/tmp/x"}, "base_commit"},
		{"workspace_export", object{"vm": "box", "base_commit": "HEAD"}, "base_commit"},
		{"vm_create", object{"network": "bridge"}, "network"},
		{"vm_create", object{"egress": ""}, "egress"},
		{"vm_create", object{"publish": []object{{"guest_port": 0}}}, "guest_port"},
		{"vm_create", object{"publish": []object{{"guest_port": 80, "host_port": 65536}}}, "host_port"},
		{"vm_create", object{"publish": []object{{"guest_port": 80, "proto": "sctp"}}}, "proto"},
		{"vm_create", object{"publish": []object{{"guest_port": 80, "host_address": "0.0.0.0"}}}, "host_address"},
		{"vm_egress_log", object{"vm": "box", "limit": 501}, "limit"},
		{"vm_list", object{"state": "sleeping"}, "state"},
		{"vm_list", object{"limit": 0}, "limit"},
		{"vm_delete", object{}, "vm"},
		{"vm_delete", object{"vm": ""}, "vm"},
		{"vm_start", object{"vm": long}, "vm"},
		{"vm_stop", object{"vm": "box", "timeout_seconds": -1}, "timeout_seconds"},
		{"exec", object{"vm": "box"}, "command"},
		{"exec", object{"vm": "box", "command": []string{}}, "command"},
		{"exec", object{"vm": nil, "command": []string{"ls"}}, "vm"},
		{"exec", object{"vm": "box", "command": 3}, "command"},
		{"file_edit", object{"vm": "box", "path": "/a", "old": "", "new": "x"}, "old"},
		{"file_edit", object{"vm": "box", "path": "a", "old": "x", "new": ""}, "path"},
		{"vm_logs", object{"vm": "box", "limit": 5000}, "limit"},
		{"session_wait", object{"vm": "box", "session": "s", "timeout_seconds": 1e9}, "timeout_seconds"},
		{"exec", object{"vm": "box", "command": []string{"ls"}, "dir": "relative"}, "dir"},
		{"exec", object{"vm": "box", "command": []string{"ls"}, "timeout_seconds": 1e9}, "timeout_seconds"},
		{"exec", object{"vm": "box", "command": []string{"ls"}, "output_limit_bytes": 1 << 30}, "output_limit_bytes"},
		{"exec", object{"vm": "box", "command": []string{"cat"}, "stdin": strings.Repeat("x", 1<<20+1)}, "stdin"},
		{"file_read", object{"vm": "box", "path": "etc/passwd"}, "path"},
		{"file_read", object{"vm": "box", "path": "/a\x00b"}, "path"},
		{"file_read", object{"vm": "box", "path": "/" + long}, "path"},
		{"file_read", object{"vm": "box", "path": "/a", "offset": -1}, "offset"},
		{"file_read", object{"vm": "box", "path": "/a", "limit_bytes": 0}, "limit_bytes"},
		{"file_write", object{"vm": "box", "path": "/a"}, "content"},
		{"file_write", object{"vm": "box", "path": "/a/", "content": ""}, "/a/"},
		{"file_write", object{"vm": "box", "path": "/a", "content": "!", "encoding": "base64"}, "base64"},
		{"file_write", object{"vm": "box", "path": "/a", "content": "x", "encoding": "utf-16"}, "encoding"},
		{"file_write", object{"vm": "box", "path": "/a", "content": "x", "mode": "rw-r--r--"}, "mode"},
		{"file_write", object{"vm": "box", "path": "/a", "content": "x", "mode": "4755"}, "mode"},
		{"file_write", object{"vm": "box", "path": "/a", "content": strings.Repeat("x", maxWrite+1)}, "bytes"},
		{"session_start", object{"vm": "box", "command": []string{}}, "command"},
		{"session_read", object{"vm": "box", "session": "s", "offset": -2}, "offset"},
		{"session_read", object{"vm": "box", "session": "s", "stream": "stdin"}, "stream"},
		{"session_read", object{"vm": "box", "session": "s", "wait_seconds": 9999}, "wait_seconds"},
		{"session_send", object{"vm": "box", "session": "s"}, "nothing to send"},
		{"session_send", object{"vm": "box", "session": "s", "content": strings.Repeat("x", 65537)}, "65537"},
		{"session_send", object{"vm": "box", "session": "s", "content": "*", "encoding": "base64"}, "base64"},
		{"session_stop", object{"vm": "box", "session": "", "timeout_seconds": 1}, "session"},
		{"session_list", object{}, "vm"},
		{"workspace_prepare", object{"vm": "box", "path": "relative"}, "path"},
		{"workspace_prepare", object{"vm": "box", "path": "/r", "mode": "deep"}, "mode"},
		{"workspace_export", object{"vm": "box", "format": "zip"}, "format"},
		{"workspace_export", object{"vm": "box", "output_path": "out.patch"}, "output_path"},
		{"workspace_export", object{"vm": "box", "output_path": "/no/such/dir/out.patch"}, "/no/such/dir"},
	} {
		p := refused(t, s, c.tool, c.args)
		if p.Code != "invalid" && !strings.HasPrefix(p.Message, "/no/such") || !strings.Contains(p.Message, c.about) {
			t.Errorf("%s %.80v: %+v; want it to name %q", c.tool, c.args, p, c.about)
		}
	}
	if len(f.created)+len(f.deletes)+len(f.starts)+len(f.files)+len(f.sent)+len(f.exports)+len(f.prepared) > 0 {
		t.Error("a refused call did something")
	}
}

func TestUnknownToolIsAProtocolError(t *testing.T) {
	s := connect(t, newFake(t), nil)
	if _, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "vm_destroy"}); err == nil {
		t.Error("no error")
	}
}

// A fault keeps its code and its message, and its hint names the tool to call.
func TestFaultsReachTheAgent(t *testing.T) {
	s := connect(t, newFake(t), nil)
	if p := refused(t, s, "vm_start", object{"vm": "none"}); p.Code != "not_found" || p.Message != `no VM named "none"` || p.Hint != "call vm_list" {
		t.Errorf("%+v", p)
	}
	if p := refused(t, s, "vm_delete", object{"vm": "box"}); p.Code != "conflict" || p.Hint != `call vm_delete {"vm": "box", "force": true}` {
		t.Errorf("%+v", p)
	}
	if p := refused(t, s, "session_stop", object{"vm": "box", "session": "x"}); p.Code != "not_found" || p.Hint != `call session_list {"vm": "box"}` {
		t.Errorf("%+v", p)
	}
}

func TestHints(t *testing.T) {
	server := New(newFake(t).daemon(), "test", typed)
	for want, err := range map[string]error{
		"":                    fault.New(fault.Conflict, "no"),
		"choose another name": fault.New(fault.Conflict, "no").WithHint("choose another name"),
		`call vm_stop {"vm": "b"}, or call vm_delete {"vm": "b", "force": true}`: fault.New(fault.Conflict, "no").
			Try(act.VMStop.On("b"), act.VMDelete.On("b", act.Force)),
		"ask the user to run `banger vm resume b`, then call workspace_export {\"vm\": \"b\"}": fault.New(fault.Conflict, "no").
			WithHint("%s, then %s", act.VMResume.On("b"), act.WorkspaceExport.On("b")),
	} {
		res := server.toolError(err)
		var p api.Problem
		if err := json.Unmarshal([]byte(res.Content[0].(*sdk.TextContent).Text), &p); err != nil {
			t.Fatal(err)
		}
		if p.Hint != want {
			t.Errorf("got %q, want %q", p.Hint, want)
		}
	}
}

type discarded struct{ io.Writer }

func (discarded) Close() error { return nil }

func TestAClientThatGoes(t *testing.T) {
	if err := New(newFake(t).daemon(), "test", typed).Serve(t.Context(), io.NopCloser(strings.NewReader("")), discarded{io.Discard}); err != nil {
		t.Errorf("a client that goes: %v", err)
	}
}
