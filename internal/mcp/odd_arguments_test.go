package mcp

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
)

// Whatever stands where arguments should, each call is answered, and the server
// lives on.
func TestOddArgumentsAreAnswered(t *testing.T) {
	const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}` +
		"\n" + `{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n"
	for name, c := range map[string]struct {
		params string
		ok     bool
	}{
		"no arguments":         {`{"name":"vm_list"}`, true},
		"null":                 {`{"name":"vm_list","arguments":null}`, true},
		"null with spaces":     {`{"name":"vm_list","arguments": null }`, true},
		"an empty object":      {`{"name":"vm_list","arguments":{}}`, true},
		"a list":               {`{"name":"vm_list","arguments":[]}`, false},
		"a text":               {`{"name":"vm_list","arguments":"x"}`, false},
		"a number":             {`{"name":"vm_list","arguments":0}`, false},
		"null where some must": {`{"name":"vm_show","arguments":null}`, false},
		"a null in a list":     {`{"name":"vm_create","arguments":{"publish":[null]}}`, false},
		"a null of a list":     {`{"name":"vm_create","arguments":{"env":[null]}}`, false},
		"a null label":         {`{"name":"vm_list","arguments":{"labels":{"a":null}}}`, false},
		"no name":              {`{}`, false},
		"no such tool":         {`{"name":"nonsense","arguments":null}`, false},
		"null parameters":      {`null`, false},
		"a list of parameters": {`[]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			in := initialize + `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":` + c.params + "}\n" +
				`{"jsonrpc":"2.0","id":2,"method":"ping"}` + "\n"
			var out bytes.Buffer
			if err := New(newFake(t).daemon(), "test", typed).Serve(t.Context(), io.NopCloser(strings.NewReader(in)), discarded{&out}); err != nil {
				t.Fatal(err)
			}
			var ids []int
			for line := range strings.Lines(out.String()) {
				var answer struct {
					ID     int
					Error  json.RawMessage
					Result struct{ IsError bool }
				}
				if err := json.Unmarshal([]byte(line), &answer); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				ids = append(ids, answer.ID)
				if ok := answer.Error == nil && !answer.Result.IsError; answer.ID == 1 && ok != c.ok {
					t.Errorf("answered %s", line)
				}
			}
			slices.Sort(ids)
			if !slices.Equal(ids, []int{0, 1, 2}) {
				t.Errorf("answered %v: %s", ids, out.String())
			}
		})
	}
}
