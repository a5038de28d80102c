package mcp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each optional argument of each tool may be null, which is as if it were absent.
func TestNullIsAbsent(t *testing.T) {
	s := New(newFake(t).daemon(), "test", typed)
	for tool, schema := range s.inputs {
		given := object{}
		for name := range schema.Properties {
			given[name] = nil
		}
		raw, err := json.Marshal(given)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := lenient(schema, raw); err != nil || string(got) != "{}" {
			t.Errorf("%s: %s, %v", tool, got, err)
		}
	}
	f := newFake(t)
	c := connect(t, f, nil)
	get[VM](t, c, "vm_create", object{"name": "box", "image": nil, "vcpu": nil, "env": nil, "start": nil, "publish": []object{{"guest_port": 80, "host_port": nil}}})
	get[fileWriteResult](t, c, "file_write", object{"vm": "box", "path": "/a", "content": "x", "mode": nil, "encoding": nil})
	if f.created[0].Image != nil || !*f.created[0].Start || len(f.created[0].Publish) != 1 {
		t.Errorf("%+v", f.created[0])
	}
}

func TestUnexpectedArgumentsNameTheRightOne(t *testing.T) {
	s := connect(t, newFake(t), nil)
	for _, c := range []struct{ tool, given, want string }{
		{"exec", "cwd", "use dir;"},
		{"exec", "timeout", "use timeout_seconds;"},
		{"exec", "cmd", "use command;"},
		{"exec", "DIR", "use dir;"},
		{"vm_create", "memory", "use memory_mib;"},
		{"vm_create", "cpus", "use vcpu;"},
		{"vm_create", "disk-mib", "use disk_mib;"},
		{"vm_delete", "name", "use vm;"},
		{"file_edit", "old_string", "use old;"},
		{"file_edit", "replace_all", "use all;"},
		{"file_write", "text", "use content;"},
		{"session_read", "limit", "use limit_bytes;"},
		{"vm_logs", "tail", "use limit;"},
		{"vm_list", "nonsense", "the arguments are labels, limit, state"},
	} {
		p := refused(t, s, c.tool, object{c.given: "x"})
		if !strings.Contains(p.Message, `"`+c.given+`"`) || !strings.Contains(p.Hint, c.want) {
			t.Errorf("%s %s: %+v", c.tool, c.given, p)
		}
	}
	// Every other name is of an argument that some tool has.
	known := map[string]bool{}
	for _, schema := range New(newFake(t).daemon(), "test", typed).inputs {
		for name := range schema.Properties {
			known[name] = true
		}
	}
	for name := range otherNames() {
		if !known[name] {
			t.Errorf("no tool has an argument %s", name)
		}
	}
}

func TestATextIsRunByAShell(t *testing.T) {
	f := newFake(t)
	var ran []string
	s := connect(t, f, nil)
	get[Session](t, s, "session_start", object{"vm": "box", "command": "make test | tee 'a \"log\"'"})
	ran = f.starts[0].Command
	if diff := cmp.Diff([]string{"sh", "-c", "make test | tee 'a \"log\"'"}, ran); diff != "" {
		t.Error(diff)
	}
}

func TestLinesThatAreNoMessageAreAnswered(t *testing.T) {
	ping := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for name, c := range map[string]struct {
		in    string
		codes []int
		pass  []string
	}{
		"text":          {"hello\n" + ping + "\n", []int{codeParse}, []string{ping}},
		"cut":           {`{"jsonrpc":` + "\n" + ping + "\n", []int{codeParse}, []string{ping}},
		"two in a line": {ping + ping + "\n", []int{codeParse}, nil},
		"number":        {"42\n" + ping + "\n", []int{codeRequest}, []string{ping}},
		"null":          {"null\n", []int{codeRequest}, nil},
		"no version":    {`{"id":1,"method":"ping"}` + "\n", []int{codeRequest}, nil},
		"neither":       {`{"jsonrpc":"2.0"}` + "\n", []int{codeRequest}, nil},
		"odd id":        {`{"jsonrpc":"2.0","id":{},"method":"ping"}` + "\n", []int{codeRequest}, nil},
		"empty batch":   {"[]\n", []int{codeRequest}, nil},
		"batch":         {"[" + ping + ", 3, " + ping + "]\n", []int{codeRequest}, []string{ping, ping}},
		"blank lines":   {"\n \r\n" + ping + "\r\n", nil, []string{ping}},
		"no line end":   {ping, nil, []string{ping}},
		"too long":      {`{"x":"` + strings.Repeat("x", maxMessage) + "\"}\n" + ping + "\n", []int{codeRequest}, []string{ping}},
		"endless":       {strings.Repeat("x", maxMessage+1), []int{codeRequest}, nil},
		"largest":       {`{"jsonrpc":"2.0","method":"` + strings.Repeat("x", maxMessage-40) + "\"}\n", nil, []string{`{"jsonrpc":"2.0","method":"` + strings.Repeat("x", maxMessage-40) + `"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			closed := make(chan struct{})
			close(closed) // nobody answers what is passed on
			passed, err := io.ReadAll(newMessages(io.NopCloser(strings.NewReader(c.in)), newCalls(discarded{&out}), closed))
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Join(c.pass, "\n"); strings.TrimSuffix(string(passed), "\n") != want {
				t.Errorf("passed %.200q", passed)
			}
			var codes []int
			for lines := bufio.NewScanner(&out); lines.Scan(); {
				var answer struct {
					JSONRPC string
					ID      *int
					Error   struct{ Code int }
				}
				if err := json.Unmarshal(lines.Bytes(), &answer); err != nil || answer.JSONRPC != "2.0" || answer.ID != nil {
					t.Errorf("answer %s, %v", lines.Bytes(), err)
				}
				codes = append(codes, answer.Error.Code)
			}
			if diff := cmp.Diff(c.codes, codes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTheServerLivesOnAfterABadLine: the whole server, by its own transport.
func TestTheServerLivesOnAfterABadLine(t *testing.T) {
	in, client := io.Pipe()
	answers, out := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- New(newFake(t).daemon(), "test", typed).Serve(t.Context(), in, out) }()
	lines := bufio.NewScanner(answers)
	for _, step := range []struct{ send, want string }{
		{"{broken", "-32700"},
		{`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`, `"id":1`},
		{"broken too", "-32700"},
		{`[{"jsonrpc":"2.0","id":2,"method":"ping"}]`, `"id":2`},
	} {
		if _, err := io.WriteString(client, step.send+"\n"); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || !strings.Contains(lines.Text(), step.want) {
			t.Fatalf("%s: %s, %v", step.send, lines.Text(), lines.Err())
		}
	}
	_ = client.Close()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}

func TestFileEdit(t *testing.T) {
	f := newFake(t)
	f.files["/a"], f.files["/b"] = []byte("one\ntwo two\n"), []byte("\xff")
	s := connect(t, f, nil)
	edit := func(path, before, after string, all bool) object {
		return object{"vm": "box", "path": path, "old": before, "new": after, "all": all}
	}
	for _, c := range []struct {
		args object
		code string
	}{
		{edit("/a", "three", "x", false), "not_found"},
		{edit("/a", "two", "x", false), "conflict"},
		{edit("/b", "x", "y", false), "invalid"},
		{edit("/none", "x", "y", false), "not_found"},
		{edit("/a", "o", strings.Repeat("x", maxWrite/2), true), "invalid"},
	} {
		if p := refused(t, s, "file_edit", c.args); p.Code != c.code {
			t.Errorf("%.60v: %+v, want %s", c.args, p, c.code)
		}
	}
	if got := get[fileEditResult](t, s, "file_edit", edit("/a", "one\n", "1\n", false)); got.Replacements != 1 || got.Bytes != 10 {
		t.Errorf("%+v", got)
	}
	get[fileEditResult](t, s, "file_edit", edit("/a", "two", "", true))
	if string(f.files["/a"]) != "1\n \n" || f.mode.Perm() != 0o640 {
		t.Errorf("%q, mode %v", f.files["/a"], f.mode)
	}
}

func TestWhatAgentsLookAt(t *testing.T) {
	f := newFake(t)
	f.output = []byte("one\ntwo\nthree\n")
	s := connect(t, f, nil)
	if got := get[VM](t, s, "vm_show", object{"vm": "box"}); got.State != "running" {
		t.Errorf("%+v", got)
	}
	if got := get[vmLogsResult](t, s, "vm_logs", object{"vm": "box", "limit": 2}); got.Console.Text != "two\nthree\n" {
		t.Errorf("%+v", got)
	}
	if got := get[imageListResult](t, s, "image_list", object{}); len(got.Images) != 1 || got.Images[0].Name != "debian" || len(got.Available) != 0 {
		t.Errorf("%+v", got)
	}
	if got := get[imageListResult](t, s, "image_list", object{"available": true}); len(got.Images) != 1 || len(got.Available) != 1 || got.Available[0].Ref != "alpine:3" {
		t.Errorf("%+v", got)
	}
	if got := get[sessionWaitResult](t, s, "session_wait", object{"vm": "box", "session": "s", "timeout_seconds": 0}); !got.TimedOut || got.State != "running" {
		t.Errorf("%+v", got)
	}
	f.ended = true
	if got := get[sessionWaitResult](t, s, "session_wait", object{"vm": "box", "session": "s"}); got.TimedOut || got.ExitCode == nil || *got.ExitCode != 3 {
		t.Errorf("%+v", got)
	}
	for _, tool := range []string{"vm_show", "vm_logs"} {
		if p := refused(t, s, tool, object{"vm": "none"}); p.Code != "not_found" {
			t.Errorf("%s: %+v", tool, p)
		}
	}
	if p := refused(t, s, "session_wait", object{"vm": "box", "session": "x"}); p.Code != "not_found" {
		t.Errorf("%+v", p)
	}
}
