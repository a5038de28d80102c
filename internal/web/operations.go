package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/fault"
)

// operationView is an operation on a page.
type operationView struct {
	ID, Path string
	Token    string // of the form that cancels it
	What     string
	Mark     mark
	Running  bool
	Stages   []stageView
	Progress *progress
	Took     string
	Age      age
	Problem  *problem
	Command  string // that does it again; empty: it is not known

	Whole bool   // it has a page for itself, with what follows:
	Next  []link // where to go from there, once it has ended
}

type stageView struct {
	Name, State, Detail, Took string
}

// progress is of the stage that runs, if it knows its total.
type progress struct {
	Done, Total int64
	Says        string
}

func viewOperation(op api.Operation, now time.Time) operationView {
	end := now
	if op.EndedAt != nil {
		end = *op.EndedAt
	}
	v := operationView{
		ID: op.ID, Path: operationPath(op.ID), What: operationWords(op),
		Mark: mark{State: op.State, Icon: stateIcon(op.State)}, Running: op.State == api.OperationRunning,
		Took: status.Span(end.Sub(op.CreatedAt)), Age: ageOf(now, &op.CreatedAt), Command: repeating(op),
	}
	if v.Running {
		v.Mark.Icon = "starting"
	}
	canceled := op.State == api.OperationCanceled
	if op.Problem != nil && !canceled { // that it was canceled is all that its problem says
		v.Problem = problemOf(op.Problem.Fault())
	}
	for _, s := range op.Stages {
		stage := stageView{Name: s.Name, State: s.State, Detail: s.Detail}
		if canceled && s.State == api.StageFailed {
			stage.State = op.State
		}
		if s.EndedAt != nil {
			stage.Took = status.Span(s.EndedAt.Sub(s.StartedAt))
		}
		v.Stages = append(v.Stages, stage)
		if s.State == api.StageRunning && s.Total > 0 {
			v.Progress = &progress{Done: s.Done, Total: s.Total, Says: amount(s)}
		}
	}
	return v
}

func amount(s api.Stage) string {
	if s.Unit == api.UnitBytes {
		return fault.Bytes(s.Done) + " of " + fault.Bytes(s.Total)
	}
	return strings.TrimSpace(fault.Count(int(s.Done), s.Name) + " of " + fault.Count(int(s.Total), s.Name))
}

// operationWords says what an operation does: "vm.create" of web is "Create web".
func operationWords(op api.Operation) string {
	noun, verb, _ := strings.Cut(op.Kind, ".")
	if verb == "" {
		return op.Kind + " " + op.Subject
	}
	words := strings.ToUpper(verb[:1]) + strings.ReplaceAll(verb[1:], "_", " ")
	if noun != "vm" {
		words += " " + noun
	}
	return strings.TrimSpace(words + " " + op.Subject)
}

type operationsView struct {
	opsLook
	Running, Ended []operationView
	Range          string // which of all are shown; empty: all
	Newer, Older   string // pages; empty: there is none
}

func (c *Console) operationsPage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "operations", func(ctx context.Context, s *shell) error {
		view := operationsView{opsLook: opsLookOf(r.URL.Query())}
		s.Title, s.Section, s.Live = "Operations", "operations", livePath(pageOperations, view.query())
		operations, err := c.api.ListOperations(ctx)
		if err != nil {
			return err
		}
		for _, op := range operations {
			v := viewOperation(op, c.now())
			if v.Token = s.Token; v.Running {
				view.Running = append(view.Running, v)
			} else if view.shows(op) {
				view.Ended = append(view.Ended, v)
			}
		}
		view.cut(&view)
		s.Body = view
		return nil
	})
}

func (c *Console) operationPage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "operation", func(ctx context.Context, s *shell) error {
		op, err := c.api.GetOperation(ctx, r.PathValue("id"))
		if err != nil {
			return err
		}
		view := c.wholeOperation(op, s.Token)
		s.Title, s.Section, s.Body, s.Live = view.What, "operations", view, livePath(pageOperation, url.Values{"of": {op.ID}})
		return nil
	})
}

// wholeOperation is an operation on its own page.
func (c *Console) wholeOperation(op api.Operation, token string) operationView {
	v := viewOperation(op, c.now())
	v.Token, v.Whole = token, true
	if !v.Running {
		v.Next = nextAfter(op)
	}
	return v
}

// recallOperations takes in what ended, also between a page and its stream: a page that
// shows it as running would do so for ever.
func (c *Console) recallOperations(ctx context.Context, s *scene) error {
	operations, err := c.api.ListOperations(ctx)
	for _, op := range operations {
		if op.EndedAt != nil {
			s.setOperation(op)
		}
	}
	return err
}

func (c *Console) cancelOperation(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	op, err := c.api.CancelOperation(r.Context(), id)
	did := ""
	if op.State == api.OperationRunning {
		did = "Canceling"
	}
	c.done(w, r, operationPath(id), did, err)
}
