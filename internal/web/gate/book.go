package gate

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
)

const (
	// LinkLife is how long a link can be used.
	LinkLife = 60 * time.Second
	// SessionLife is how long a session lasts.
	SessionLife = 7 * 24 * time.Hour

	choiceLife  = 365 * 24 * time.Hour
	maxLinks    = 16
	maxSessions = 16
	secretBytes = 32
	nameBytes   = 8
)

// Record is what a Book keeps: no secret that lets anyone in, since it has only
// hashes of them.
type Record struct {
	// Name is the console's first label: its host is Name.localhost.
	Name     string    `json:"name"`
	Sessions []Session `json:"sessions"`
	// Choices are what the user has chosen for the console's look, by the name of the cookie:
	// a browser has them for one name of the console only.
	Choices map[string]string `json:"choices,omitempty"`
}

// Session is a browser that was let in.
type Session struct {
	Hash string    `json:"hash"` // SHA-256 of the cookie's value, in hex
	Ends time.Time `json:"ends"`
}

// Book knows the links that can be used and the sessions that last. It is safe for
// concurrent use.
type Book struct {
	now  func() time.Time
	save func(Record) error

	mu     sync.Mutex
	record Record
	links  []link
	live   map[string]live // by the session's hash
}

// live is a session that requests are under way of.
type live struct {
	ctx context.Context //nolint:containedctx // it is what ends those requests
	end context.CancelFunc
}

type link struct {
	hash string
	ends time.Time
}

// NewBook continues what was kept; an empty record begins a new one. save keeps a
// record, and is not called concurrently.
func NewBook(kept Record, now func() time.Time, save func(Record) error) *Book {
	if !ids.Like(kept.Name) {
		kept.Name, kept.Sessions = ids.Hex(nameBytes), nil
	}
	if len(kept.Sessions) > maxSessions {
		kept.Sessions = kept.Sessions[:maxSessions]
	}
	return &Book{now: now, save: save, record: kept, live: map[string]live{}}
}

// Name is the console's first label.
func (b *Book) Name() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.record.Name
}

// Renew gives the console another name, and ends all sessions and links: for a port that
// another program may have had meanwhile. Browsers have sent that one the cookies of the
// old name, and may have kept pages and scripts of its. The error is that of keeping it;
// the old name is gone all the same.
func (b *Book) Renew() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.record, b.links = Record{Name: ids.Hex(nameBytes), Choices: b.record.Choices}, nil
	b.endOthers()
	return b.save(b.record)
}

// Link makes the secret of a link that can be used once within LinkLife. Of too
// many unused links the oldest ends. The error is that of keeping the name, which
// pages left open depend on.
func (b *Book) Link() (secret string, ends time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.save(b.record); err != nil {
		return "", time.Time{}, err
	}
	secret, ends = ids.Hex(secretBytes), b.now().Add(LinkLife)
	b.links = append(b.links, link{hash: hash(secret), ends: ends})
	if len(b.links) > maxLinks {
		b.links = b.links[1:]
	}
	return secret, ends, nil
}

// Enter uses up a link, and begins a session: its cookie is returned once and not
// kept. A link that is unknown, used or over is PermissionDenied.
func (b *Book) Enter(secret string) (cookie string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wanted, now := hash(secret), b.now()
	at := slices.IndexFunc(b.links, func(l link) bool { return same(l.hash, wanted) })
	if at < 0 || !now.Before(b.links[at].ends) {
		return "", fault.New(fault.PermissionDenied, "this link was used before, or is older than %d seconds", int(LinkLife.Seconds()))
	}
	b.links = slices.Delete(b.links, at, at+1)
	cookie = ids.Hex(secretBytes)
	next := b.record
	next.Sessions = append(alive(b.record.Sessions, now), Session{Hash: hash(cookie), Ends: now.Add(SessionLife)})
	if over := len(next.Sessions) - maxSessions; over > 0 {
		next.Sessions = next.Sessions[over:]
	}
	if err := b.save(next); err != nil {
		return "", err
	}
	b.record = next
	b.endOthers()
	return cookie, nil
}

// Hold returns a context for a request of the session that this cookie is of. It ends with
// ctx, with release, and with the session: by its time, by SignOut, or because another one
// took its place. False: there is no such session.
func (b *Book) Hold(ctx context.Context, cookie string) (held context.Context, release func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wanted, now := hash(cookie), b.now()
	at := slices.IndexFunc(b.record.Sessions, func(s Session) bool { return same(s.Hash, wanted) && now.Before(s.Ends) })
	if at < 0 {
		return nil, nil, false
	}
	session, ok := b.live[wanted]
	if !ok {
		session.ctx, session.end = context.WithTimeout(context.Background(), b.record.Sessions[at].Ends.Sub(now))
		b.live[wanted] = session
	}
	held, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(session.ctx, cancel)
	return held, func() { stop(); cancel() }, true
}

// endOthers ends what is under way of sessions that are no more.
func (b *Book) endOthers() {
	for hash, session := range b.live {
		if !slices.ContainsFunc(b.record.Sessions, func(s Session) bool { return s.Hash == hash }) {
			session.end()
			delete(b.live, hash)
		}
	}
}

// Choose keeps a choice for browsers that are let in later; an empty value forgets it.
func (b *Book) Choose(name, value string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.record
	next.Choices = maps.Clone(b.record.Choices)
	if next.Choices == nil {
		next.Choices = map[string]string{}
	}
	if next.Choices[name] = value; value == "" {
		delete(next.Choices, name)
	}
	if err := b.save(next); err != nil {
		return err
	}
	b.record = next
	return nil
}

// choices are those that were kept.
func (b *Book) choices() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.record.Choices // which is replaced, never changed
}

// Sessions counts those that last.
func (b *Book) Sessions() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(alive(b.record.Sessions, b.now()))
}

// SignOut ends all sessions, what is under way of them, and all links, and says how many sessions there were.
func (b *Book) SignOut() (sessions int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := Record{Name: b.record.Name, Choices: b.record.Choices}
	if err := b.save(next); err != nil {
		return 0, err
	}
	sessions = len(alive(b.record.Sessions, b.now()))
	b.record, b.links = next, nil
	b.endOthers()
	return sessions, nil
}

// FormToken is what each form of a session's pages carries. Only who can read a page
// of the session knows it.
func FormToken(cookie string) string {
	mac := hmac.New(sha256.New, []byte(cookie))
	mac.Write([]byte("form"))
	return hex.EncodeToString(mac.Sum(nil))
}

func alive(sessions []Session, now time.Time) []Session {
	return slices.DeleteFunc(slices.Clone(sessions), func(s Session) bool { return !now.Before(s.Ends) })
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
