package netstack

import (
	"context"
	"testing"
	"time"
)

func TestTheGuestIsAskedFewQuestions(t *testing.T) {
	now := time.Unix(1000, 0)
	r := newRecorder(t.Context(), Config{
		Now:   func() time.Time { return now },
		Owner: func(context.Context, string, uint16) string { return "" },
	})
	ask := func(times int) (asked int) {
		for range times {
			if r.ask() {
				asked++
				<-r.asking // as the task does when it has its answer
				r.tasks.Done()
			}
		}
		return asked
	}
	if got := ask(100); got != maxAsked {
		t.Errorf("%d questions at once", got)
	}
	now = now.Add(2*askEvery + askEvery/2)
	if got := ask(100); got != 2 {
		t.Errorf("%d questions after two more were earned", got)
	}
	now = now.Add(askEvery / 2)
	if got := ask(100); got != 1 {
		t.Errorf("%d questions once the third was earned", got)
	}
	now = now.Add(time.Hour)
	if got := ask(100); got != maxAsked {
		t.Errorf("%d questions after an hour", got)
	}
}
