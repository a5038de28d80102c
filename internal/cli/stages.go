package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/plain"
)

// stages shows the stages of one operation as they come.
type stages interface {
	// update shows a newer snapshot.
	update(op api.Operation)
	// close leaves the screen as it should stay. It can be called twice.
	close()
}

// The values of --progress. Auto is live on a terminal, plain on a dumb one, and
// nothing elsewhere.
const (
	progressAuto  = "auto"
	progressPlain = "plain"
	progressNone  = "none"
)

// stagesTo returns what shows stages on f, as --progress and --quiet say.
func (a *App) stagesTo(f *os.File) stages {
	switch {
	case a.quiet || a.progress == progressNone:
		return noStages{}
	case a.progress == progressPlain || isTerminal(f) && a.getenv("TERM") == "dumb":
		return &plainStages{out: f, now: time.Now}
	case !isTerminal(f):
		return noStages{}
	}
	live := &liveStages{
		out: f, now: time.Now, colour: a.colour(f), stop: make(chan struct{}),
		width: func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width < 20 {
				return 80
			}
			return width
		},
	}
	live.done.Add(1)
	go live.tick(time.NewTicker(100 * time.Millisecond))
	return live
}

// plainStages writes a line when a stage begins and one when it ends.
type plainStages struct {
	out   io.Writer
	now   func() time.Time
	begun int
	ended int
}

func (p *plainStages) update(op api.Operation) {
	for i, s := range op.Stages {
		if i >= p.begun {
			p.begun = i + 1
			_, _ = fmt.Fprintf(p.out, "%s …\n", stageTitle(s))
		}
		if i >= p.ended && s.State != api.StageRunning {
			p.ended = i + 1
			_, _ = fmt.Fprintf(p.out, "%s %s (%s)\n", plain.Line(s.Name, maxShown), s.State, stageFacts(s, p.now()))
		}
	}
}

func (p *plainStages) close() {}

// stageTitle is a stage's name and its detail.
func stageTitle(s api.Stage) string {
	if s.Detail == "" {
		return plain.Line(s.Name, maxShown)
	}
	return plain.Line(s.Name+": "+s.Detail, maxShown)
}

// stageFacts is how long a stage took, or has taken, and how much it did.
func stageFacts(s api.Stage, now time.Time) string {
	took := stageTook(s, now)
	if s.Unit == api.UnitBytes && s.Done > 0 {
		return tookText(took) + ", " + bytesText(s.Done)
	}
	return tookText(took)
}

func stageTook(s api.Stage, now time.Time) time.Duration {
	if s.EndedAt != nil {
		now = *s.EndedAt
	}
	return now.Sub(s.StartedAt)
}

// minTitle is how much of a stage's title is shown on any terminal, in characters.
const minTitle = 8

// liveStages keeps the stage that runs on the terminal's last line, and writes
// those that have ended above it.
type liveStages struct {
	out    io.Writer
	now    func() time.Time
	width  func() int
	colour bool

	stop chan struct{}
	done sync.WaitGroup
	once sync.Once

	mu     sync.Mutex
	op     api.Operation
	ended  int
	frame  int
	active bool // the last line is ours
}

func (l *liveStages) tick(ticker *time.Ticker) {
	defer l.done.Done()
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
			l.mu.Lock()
			l.frame++
			l.draw()
			l.mu.Unlock()
		}
	}
}

func (l *liveStages) update(op api.Operation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.op = op
	l.draw()
}

func (l *liveStages) close() {
	l.once.Do(func() {
		close(l.stop)
		l.done.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.active {
			_, _ = io.WriteString(l.out, "\r\x1b[K")
			l.active = false
		}
	})
}

// draw is called with mu held.
func (l *liveStages) draw() {
	var b strings.Builder
	for ; l.ended < len(l.op.Stages) && l.op.Stages[l.ended].State != api.StageRunning; l.ended++ {
		s := l.op.Stages[l.ended]
		mark, sgr := "✓", "32"
		if s.State != api.StageDone {
			mark, sgr = "✗", "31"
		}
		line := fmt.Sprintf("%s  %s", plain.Columns(stageTitle(s), max(l.width()-24, minTitle)), stageFacts(s, l.now()))
		b.WriteString("\r\x1b[K" + l.paint(mark, sgr) + " " + line + "\n")
		l.active = false
	}
	if l.ended < len(l.op.Stages) {
		b.WriteString("\r\x1b[K" + l.running(l.op.Stages[l.ended]))
		l.active = true
	}
	_, _ = io.WriteString(l.out, b.String())
}

func (l *liveStages) paint(text, sgr string) string {
	if !l.colour {
		return text
	}
	return tinted(text, sgr)
}

// running is the line of a stage under way: name, bar, amounts, rate.
func (l *liveStages) running(s api.Stage) string {
	spinner := []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}
	facts := progressFacts(s.Done, s.Total, s.Unit, stageTook(s, l.now()))
	room := l.width() - 4 - utf8.RuneCountInString(facts)
	bar := ""
	if s.Total > 0 && room > 50 {
		bar = progressBar(s.Done, s.Total, 20) + " "
		room -= 22
	}
	return l.paint(spinner[l.frame%len(spinner)], "36") + " " + plain.Columns(stageTitle(s), max(room, minTitle)) + "  " + bar + facts
}

// progressFacts is "12MiB/40MiB 4MiB/s", "3/9", or the time taken.
func progressFacts(done, total int64, unit string, took time.Duration) string {
	if done <= 0 && total <= 0 {
		return tookText(took)
	}
	number := func(n int64) string { return fmt.Sprint(n) }
	if unit == api.UnitBytes {
		number = bytesText
	}
	text := number(done)
	if total > 0 {
		text += "/" + number(total)
	}
	if unit == api.UnitBytes && took > 200*time.Millisecond {
		text += fmt.Sprintf("  %s/s", bytesText(int64(float64(done)/took.Seconds())))
	}
	return text
}

// progressBar is a bar of width characters.
func progressBar(done, total int64, width int) string {
	full := int(float64(min(max(done, 0), total)) / float64(total) * float64(width))
	return strings.Repeat("━", full) + strings.Repeat("─", width-full)
}
