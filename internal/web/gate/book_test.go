package gate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/web/gate"
)

// held is a request of a session that is under way.
func (s *site) held(cookie string) context.Context {
	s.t.Helper()
	ctx, release, ok := s.book.Hold(s.t.Context(), cookie)
	if !ok {
		s.t.Fatal("there is no such session")
	}
	s.t.Cleanup(release)
	return ctx
}

// What is under way ends with its session, however that ends.
func TestRequestsEndWithTheirSession(t *testing.T) {
	for name, end := range map[string]func(*site) error{
		"signed out":         func(s *site) error { _, err := s.book.SignOut(); return err },
		"the port was lost":  func(s *site) error { return s.book.Renew() },
		"16 others since":    func(s *site) error { return s.others(16) },
		"its time, and more": func(s *site) error { s.now = s.now.Add(gate.SessionLife); return s.others(1) },
	} {
		s := newSite(t)
		mine := s.held(s.signIn().Value)
		if mine.Err() != nil {
			t.Fatalf("%s: it ends at once", name)
		}
		if err := end(s); err != nil {
			t.Fatal(err)
		}
		<-mine.Done() // or the test hangs
	}
	s := newSite(t)
	mine := s.held(s.signIn().Value)
	if err := s.others(15); err != nil || mine.Err() != nil {
		t.Errorf("15 others end it: %v, %v", err, mine.Err())
	}
}

// others lets n more browsers in.
func (s *site) others(n int) error {
	for range n {
		secret, _, err := s.book.Link()
		if err != nil {
			return err
		}
		if _, err := s.book.Enter(secret); err != nil {
			return err
		}
	}
	return nil
}

// A session ends by its time also while nothing happens.
func TestRequestsEndWhenTheTimeIsOver(t *testing.T) {
	now := time.Now()
	book := gate.NewBook(gate.Record{}, func() time.Time { return now }, func(gate.Record) error { return nil })
	secret, _, err := book.Link()
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := book.Enter(secret)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(gate.SessionLife - time.Millisecond)
	ctx, release, ok := book.Hold(t.Context(), cookie)
	if !ok {
		t.Fatal("it is over before its time")
	}
	defer release()
	<-ctx.Done()
}

// After its port was another's, the console has another name, and nobody is let in.
func TestRenewal(t *testing.T) {
	s := newSite(t)
	cookie, name := s.signIn(), s.book.Name()
	unused, _, _ := s.book.Link()
	if err := s.book.Renew(); err != nil {
		t.Fatal(err)
	}
	if s.book.Name() == name || s.kept.Name != s.book.Name() || s.knows(cookie.Value) || s.book.Sessions() != 0 {
		t.Errorf("its name is %s after %s, kept %s; the session lasts: %v", s.book.Name(), name, s.kept.Name, s.knows(cookie.Value))
	}
	if _, err := s.book.Enter(unused); err == nil {
		t.Error("a link of before works")
	}
	full := errors.New("disk full")
	book := gate.NewBook(gate.Record{}, time.Now, func(gate.Record) error { return full })
	name = book.Name()
	if err := book.Renew(); !errors.Is(err, full) || book.Name() == name {
		t.Errorf("without a disk: %v, %s after %s", err, book.Name(), name)
	}
}

// What the user chose for the console's look is there under every name of it.
func TestChoicesOutliveTheName(t *testing.T) {
	s := newSite(t)
	s.signIn()
	if err := errors.Join(s.book.Choose("theme", "dark"), s.book.Choose("keys", "off"), s.book.Choose("keys", "")); err != nil {
		t.Fatal(err)
	}
	_, signErr := s.book.SignOut()
	if err := errors.Join(signErr, s.book.Renew()); err != nil {
		t.Fatal(err)
	}
	s.reopen()
	secret, _, _ := s.book.Link()
	got := map[string]string{}
	for _, c := range s.get("/enter/"+secret, nil).Result().Cookies() {
		got[c.Name] = c.Value
	}
	if len(got) != 2 || got["theme"] != "dark" || got["banger"] == "" {
		t.Errorf("a browser that is let in gets %v", got)
	}
	s.kept = gate.Record{Name: "spoilt", Choices: map[string]string{"theme": "light"}}
	s.reopen()
	if err := s.book.Renew(); err != nil || s.kept.Choices["theme"] != "light" {
		t.Errorf("%v, %+v", err, s.kept)
	}
}
