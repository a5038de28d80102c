package workspace_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/workspace"
)

func TestBases(t *testing.T) {
	w, s := newWorld(t)
	export := func(req workspace.ExportRequest) string {
		t.Helper()
		req.VM = "box"
		e, err := s.Export(t.Context(), req, operation.Discard{})
		if err != nil {
			t.Fatal(err)
		}
		return e.BaseCommit
	}
	if base := export(workspace.ExportRequest{Format: workspace.Patch}); base != "guest-head" {
		t.Errorf("nothing was prepared: base %q", base)
	}
	if len(w.record) != 0 {
		t.Errorf("recorded: %v", w.record)
	}
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	for want, req := range map[string]workspace.ExportRequest{
		"t-":   {Format: workspace.Patch},
		"head": {Format: workspace.Mbox},
		"mine": {Format: workspace.Bundle, BaseCommit: "mine"},
	} {
		if base := export(req); base != want {
			t.Errorf("%+v: base %q, want %q", req, base, want)
		}
	}
	if base := export(workspace.ExportRequest{Format: workspace.Patch, Path: "/srv/other"}); base != "guest-head" {
		t.Errorf("another work tree: base %q", base)
	}
}

// An export against what was made in the guest has not all that was done there.
func TestWhatCountsAsExported(t *testing.T) {
	for base, counts := range map[string]bool{"": true, "t-": true, "head": true, "guest-commit": false} {
		w, s := newWorld(t)
		if err := prepare(t, s, false); err != nil {
			t.Fatal(err)
		}
		w.tree = "t-a"
		e, err := s.Export(t.Context(), workspace.ExportRequest{VM: "box", Format: workspace.Patch, BaseCommit: base}, operation.Discard{})
		if err == nil {
			err = s.Accept(t.Context(), "box", e.ID)
		}
		if err != nil || w.record["v1"].Work.Any() == counts || (len(e.Notes) == 0) != counts {
			t.Errorf("against %q: %v, notes %q, work %+v; want it to count: %v", base, err, e.Notes, w.record["v1"].Work, counts)
		}
	}
}

func TestApplyCountsAsAnExport(t *testing.T) {
	w, s := newWorld(t)
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	w.tree, w.inWay = "t-a", []string{"a"}
	req := workspace.ExportRequest{VM: "box", Format: workspace.Patch, Apply: true}
	e, err := s.Export(t.Context(), req, operation.Discard{})
	if err != nil || e.Applied || len(e.Conflicts) != 1 || !w.record["v1"].Work.Any() {
		t.Errorf("with a conflict: %+v, %v", e, err)
	}
	w.inWay = nil
	e, err = s.Export(t.Context(), req, operation.Discard{})
	if err != nil || !e.Applied || !w.applied || w.record["v1"].Work.Any() || w.record["v1"].ExportedTree != "t-a" {
		t.Errorf("applied: %+v, %v, %+v", e, err, w.record["v1"])
	}
}

// Whoever read one tree has not read another.
func TestATreeThatWasNotReadIsNotApplied(t *testing.T) {
	w, s := newWorld(t)
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	w.tree = "t-b"
	req := workspace.ExportRequest{VM: "box", Format: workspace.Patch, Apply: true, Tree: "t-a"}
	_, err := s.Export(t.Context(), req, operation.Discard{})
	if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "has changed") || w.applied || !w.record["v1"].Work.Any() {
		t.Errorf("another tree: %v, applied %v, %+v", err, w.applied, w.record["v1"])
	}
	req.Tree = "t-b"
	if e, err := s.Export(t.Context(), req, operation.Discard{}); err != nil || !e.Applied || !w.applied {
		t.Errorf("the same tree: %+v, %v", e, err)
	}
}

// After an apply the next export is against what the user's work tree has now.
func TestTheBaseMovesWithAnApply(t *testing.T) {
	w, s := newWorld(t)
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	export := func(apply bool) workspace.Export {
		t.Helper()
		e, err := s.Export(t.Context(), workspace.ExportRequest{VM: "box", Format: workspace.Patch, Apply: apply}, operation.Discard{})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	w.tree = "t-a"
	if e := export(false); e.BaseCommit != "t-" {
		t.Errorf("before any apply the base is %q", e.BaseCommit)
	}
	w.inWay = []string{"a"}
	export(true)
	if e := export(false); e.BaseCommit != "t-" {
		t.Errorf("after one that did not apply the base is %q", e.BaseCommit)
	}
	w.inWay = nil
	export(true)
	w.tree = "t-ab"
	e := export(false)
	if e.BaseCommit != "t-a" || len(e.Files) != 1 {
		t.Errorf("after an apply: base %q, files %v", e.BaseCommit, e.Files)
	}
	if err := s.Accept(t.Context(), "box", e.ID); err != nil || w.record["v1"].Work.Any() {
		t.Errorf("an export on top of an apply does not count: %v, %+v", err, w.record["v1"].Work)
	}
	w.already = true // it was applied by hand
	e = export(true)
	if e.Applied || !e.Already || w.record["v1"].AppliedTree != "t-ab" {
		t.Errorf("what is there already: %+v, and the record has %q", e, w.record["v1"].AppliedTree)
	}
	if got, want := strings.Join(w.roots, " "), "t- t-ab t-a"; got != want {
		t.Errorf("the vault keeps %q; want %q", got, want)
	}
}

// What the user calls the base is looked for where the user works.
func TestARevisionIsLookedForInTheSource(t *testing.T) {
	w, s := newWorld(t)
	if err := prepare(t, s, false); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/elsewhere"} {
		_, err := s.Export(t.Context(), workspace.ExportRequest{VM: "box", Format: workspace.Patch, BaseCommit: "HEAD", Path: path}, operation.Discard{})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(w.resolved) != 2 || w.resolved[0].Top != "/src" || w.resolved[1].Top != "" || w.resolved[1].Head != "guest-head" {
		t.Errorf("resolved %+v", w.resolved)
	}
}
