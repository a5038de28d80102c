package web_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/egress"
)

// hostileLine is hostile, in one line of a log or of a patch, with controls of a terminal.
const hostileLine = hostile + "\x1b[31m\x1b]0;title\a\u202e"

func (f *fakeAPI) export() api.Export {
	return api.Export{
		ID: "e1", Tree: "t2", Format: "patch", Bytes: int64(len(patchText)), FileCount: 2, Insertions: 2, Deletions: 1, Checked: f.conflicts != nil, Applied: f.applied, Conflicts: f.conflicts,
		Notes: []string{hostile},
		Files: []api.ExportedFile{{Path: "main.go", Status: "modified", Insertions: 2, Deletions: 1}, {Path: hostile, Status: "added", Insertions: 1}},
	}
}

// patchText has two files.
var patchText = strings.NewReplacer("HOSTILE", hostileLine, "a/NAME", quoted("a/"+hostile), "b/NAME", quoted("b/"+hostile)).Replace(`diff --git a/main.go b/main.go
index 1..2 100644
--- a/main.go
+++ b/main.go
@@ -3,3 +3,4 @@ func main() {
 	before
-	HOSTILE
+	HOSTILE
+diff --git a/x b/x
 	after
diff --git a/NAME b/NAME
new file mode 100755
--- /dev/null
+++ b/NAME
@@ -0,0 +1 @@
+second HOSTILE
\ No newline at end of file
`)

// quoted is a name as git writes it in a patch, if it has to be quoted.
func quoted(name string) string {
	if !strings.ContainsAny(name, "\"\\\n\t\x1b") {
		return name
	}
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`, "\t", `\t`, "\x1b", `\033`, "\a", `\a`).Replace(name) + `"`
}

func (f *fakeAPI) exportOperation() api.Operation {
	result, err := json.Marshal(f.export())
	if err != nil {
		panic(err)
	}
	return api.Operation{ID: "op2", Kind: "workspace.export", Subject: "web", State: api.OperationSucceeded, CreatedAt: f.now, EndedAt: &f.now, Result: result}
}

// workspace is that of the VM "web".
func (f *fakeAPI) workspace() *api.Workspace {
	if f.noWork {
		return nil
	}
	return &api.Workspace{
		VM: "web", Path: hostile, Source: hostile, Branch: hostile, State: cmp.Or(f.work, api.WorkspaceChanged), Files: 7, MeasuredAt: &f.now,
		Elsewhere: []string{hostile}, Stashes: []string{hostile}, WorkTrees: []string{hostile},
	}
}

func (f *fakeAPI) PrepareWorkspace(_ context.Context, name string, req api.PrepareWorkspace) (api.Operation, error) {
	return f.operation(), f.did("prepare " + name + " " + req.Path)
}

func (f *fakeAPI) ExportWorkspace(_ context.Context, name string, req api.ExportWorkspace) (api.Operation, error) {
	did := fmt.Sprintf("export %s check=%v apply=%v", name, req.Check, req.Apply)
	if req.Tree != "" {
		did += " tree=" + req.Tree
	}
	return f.exportOperation(), f.did(did)
}

func (f *fakeAPI) ReadExport(_ context.Context, _ string, e api.Export) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(patchText[:min(int64(len(patchText)), e.Bytes)-int64(f.short)])), nil
}

func (f *fakeAPI) AcceptExport(_ context.Context, name, id string) error {
	return f.did("accept " + name + " " + id)
}

func (f *fakeAPI) Wait(context.Context, string, func(api.Operation)) (api.Operation, error) {
	return f.operation(), nil
}

func (f *fakeAPI) VMProcesses(context.Context, string) (api.Processes, error) {
	return api.Processes{Total: 300, Items: []api.Process{
		{PID: 7, Process: hostile, Command: hostile, State: "<", UID: 1000, CPUSeconds: 61, MemoryBytes: 3 << 20}, {PID: 1, State: "S"},
	}}, f.err
}

func (f *fakeAPI) VMForwards(context.Context, string) ([]api.Forward, error) {
	return []api.Forward{{Proto: "tcp", Host: hostile, Guest: hostile}}, nil
}

func (f *fakeAPI) AddVMForward(_ context.Context, name string, req api.Forward) (api.Forward, error) {
	return req, f.did("forward " + name + " " + req.Proto + " " + req.Host + " " + req.Guest)
}

func (f *fakeAPI) RemoveVMForward(_ context.Context, name string, req api.Forward) error {
	return f.did("remove forward " + name + " " + req.Host)
}

func (f *fakeAPI) VMStats(context.Context, string) (api.Stats, error) {
	return api.Stats{CPUNanos: 5e9, VCPU: 2, MemoryBytes: 1 << 30, HostMemoryBytes: 1 << 29, DiskUsageBytes: 1 << 20, DiskSizeBytes: 1 << 30}, nil
}

// following is a log that has what is printed, until ctx ends.
func (f *fakeAPI) following(ctx context.Context) io.ReadCloser {
	log, in := io.Pipe()
	go func() {
		for {
			select {
			case text := <-f.printed:
				_, _ = io.WriteString(in, text)
			case <-ctx.Done():
				_ = in.CloseWithError(ctx.Err())
				return
			}
		}
	}()
	return log
}

func (f *fakeAPI) VMLogs(ctx context.Context, _ string, opts client.LogOptions) (io.ReadCloser, error) {
	if opts.Follow {
		return f.following(ctx), nil
	}
	return io.NopCloser(strings.NewReader("booted\r\nCONNECTION refused\n" + hostileLine + "\n" + strings.Repeat("x", 1<<20) + "\nlast")), nil
}

func (f *fakeAPI) VMEgress(context.Context, string) (api.Egress, error) {
	return api.Egress{Policy: "default deny\nallow example.org", Default: "deny", Rules: []string{"allow example.org"}}, nil
}

func (f *fakeAPI) SetVMEgress(_ context.Context, name string, req api.SetEgress) (api.Egress, error) {
	return api.Egress{}, f.did("egress " + name + " " + req.Policy)
}

func (f *fakeAPI) AddVMEgress(_ context.Context, name string, req api.AddEgress) (api.Egress, error) {
	did := "allow " + name + " " + strings.Join(req.Rules, "; ")
	if req.ForSeconds > 0 {
		did += fmt.Sprintf(" for %g s", req.ForSeconds)
	}
	if req.Always {
		did += " always"
	}
	return api.Egress{}, f.did(did)
}

func (f *fakeAPI) EgressRules(context.Context) (api.EgressRules, error) {
	return api.EgressRules{Rules: []string{"allow *.new.example tcp/443"}}, nil
}

func (f *fakeAPI) AddEgressRules(_ context.Context, req api.ChangeEgressRules) (api.EgressRules, error) {
	if _, err := egress.ParseRule(req.Rules[0]); err != nil {
		return api.EgressRules{}, err
	}
	return api.EgressRules{}, f.did("new VMs: " + req.Rules[0])
}

func (f *fakeAPI) RemoveEgressRules(_ context.Context, req api.ChangeEgressRules) (api.EgressRules, error) {
	return api.EgressRules{}, f.did("no longer for new VMs: " + req.Rules[0])
}

// TestVMEgress judges by the language of policies, before "default deny".
func (f *fakeAPI) TestVMEgress(_ context.Context, _ string, req api.TestEgress) (api.EgressVerdict, error) {
	v := api.EgressVerdict{Target: req.Target, Rule: "default deny", Unless: []string{hostile}}
	if len(req.Rules) == 0 {
		return v, nil
	}
	words := strings.Fields(req.Target)
	probe, err := egress.NewProbe(req.Address, words[0], words[1:]...)
	if err != nil {
		return v, err
	}
	rule, err := egress.ParseRule(req.Rules[0])
	if err != nil {
		return v, err
	}
	policy, err := egress.Parse("default deny")
	if err != nil {
		return v, err
	}
	answer := policy.With(rule).Answer(probe)
	v.Allowed, v.Rule, v.Number = answer.Allow, answer.Rule, answer.Number
	return v, nil
}

func (f *fakeAPI) VMEgressLog(ctx context.Context, _ string, opts client.LogOptions) (io.ReadCloser, error) {
	if opts.Follow {
		return f.following(ctx), nil
	}
	var text strings.Builder
	records := f.flows
	if records == nil {
		records = flowsOfOne()
	}
	for _, r := range records {
		r.Time = f.now
		line, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		text.WriteString(string(line) + "\n")
	}
	return io.NopCloser(strings.NewReader(text.String())), nil
}

// flowsOfOne are records of each kind.
func flowsOfOne() []api.EgressRecord {
	return []api.EgressRecord{
		{Event: "allow", Protocol: "tcp", Name: "example.org", Address: "192.0.2.1", Port: 443, Rule: "allow example.org"},
		{Event: "close", Protocol: "tcp", Name: "example.org", Address: "192.0.2.1", Port: 443, Rule: "allow example.org", Sent: 1 << 20, Received: 3 << 20},
		{Event: "allow", Protocol: "tcp", Name: "open.example", Address: "192.0.2.2", Port: 443, Rule: "allow any"},
		{Event: "deny", Protocol: "tcp", Asked: "registry.example other.example", Address: "192.0.2.3", Port: 443, Rule: "default deny", Process: hostile},
		{Event: "dns", Name: "metrics.example", Rule: hostile},
		{Event: "lost", Reason: hostile},
	}
}
