package tui

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
)

// clockEvery is how often ages on the screen go on.
const clockEvery = 5 * time.Second

// Model is the terminal UI. It is for one program.
type Model struct {
	ctx   context.Context //nolint:containedctx // of all the commands that Update returns; bubbletea has none
	o     Options
	theme theme
	keys  keymap

	width, height int
	now           time.Time
	world         *world
	ports         askQueue
	sessions      askQueue
	looks         looks
	tabs          []tab
	lists         []list // of each tab
	tab           int
	layers        []layer // over the tab; the last has the keys

	says     string // the line above the keys
	saysTone tone
	lost     string // why there is no connection
	last     string // the command line of what was done last
}

// layer is what lies over a tab. It has all keys but ctrl+c and ctrl+z.
type layer interface {
	// press takes a key: its name and, if it is bound, its action.
	press(m *Model, key tea.KeyPressMsg, action string) tea.Cmd
	// lines are what it shows, of at most height.
	lines(m *Model, width, height int) []string
	hints(m *Model) []string
	// full reports whether it takes the whole body; else the table stays above.
	full() bool
}

// receiver is a layer that takes messages.
type receiver interface {
	receive(m *Model, msg tea.Msg) tea.Cmd
}

// New makes the model. ctx ends what its commands do.
func New(ctx context.Context, o Options) *Model {
	m := &Model{
		ctx: ctx, o: o, theme: newTheme(o.Colour, o.ASCII), keys: newKeymap(o.Bindings), now: o.Now(), world: newWorld(),
		tabs: tabs(),
	}
	m.lists = make([]list, len(m.tabs))
	m.tab = max(slices.Index(Tabs(), o.Tab), 0)
	return m
}

// tickMsg is the clock.
type tickMsg time.Time

func (m *Model) tick() tea.Cmd {
	return tea.Tick(clockEvery, func(t time.Time) tea.Msg { return tickMsg(t) })
}

// Init starts the clock.
func (m *Model) Init() tea.Cmd { return m.tick() }

// Update takes a message over. It does no I/O.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.now = m.o.Now()
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m, tea.Batch(m.press(msg), m.askSessions())
	case tickMsg:
		return m, tea.Batch(m.tick(), m.look())
	case lookedMsg:
		return m, m.looked()
	case backMsg:
		return m, m.resume(msg)
	case eventsMsg:
		m.lost = ""
		return m, tea.Batch(m.refresh(m.world.apply(msg)), m.askSessions())
	case portsMsg:
		return m, m.takePorts(msg)
	case sessionsMsg:
		return m, m.takeSessions(msg)
	case pullMsg:
		return m, m.takePull(msg)
	case createMsg:
		return m, m.takeCreate(msg)
	case lostMsg:
		m.lose(msg)
	case answer:
		msg.take(m)
	case linesMsg:
		return m, msg.of.receive(m, msg)
	case sourceMsg:
		return m, msg.of.receive(m, msg)
	default:
		if top, ok := m.top().(receiver); ok {
			return m, top.receive(m, msg)
		}
	}
	return m, nil
}

func (m *Model) lose(msg lostMsg) {
	m.world.live = false
	m.lost = "lost the connection to bangerd; waiting for it"
	if msg.over {
		m.lost = sentence(msg.err)
	}
}

func (m *Model) top() layer {
	if len(m.layers) == 0 {
		return nil
	}
	return m.layers[len(m.layers)-1]
}

func (m *Model) open(l layer) { m.layers = append(m.layers, l) }

// closeTop goes back from the layer on top.
func (m *Model) closeTop() {
	if len(m.layers) > 0 {
		m.layers = m.layers[:len(m.layers)-1]
	}
}

func (m *Model) say(as tone, text string) { m.says, m.saysTone = text, as }

func (m *Model) list() *list { return &m.lists[m.tab] }

// rows are those of the tab that the filter lets through.
func (m *Model) rows() []row { return m.list().shown(m.tabs[m.tab].rows(m)) }

// press takes a key.
func (m *Model) press(key tea.KeyPressMsg) tea.Cmd {
	name := key.String()
	switch name {
	case "ctrl+c":
		return tea.Quit
	case "ctrl+z":
		return tea.Exec(m.o.Terminal.Suspend(), back)
	}
	m.say(toneNone, "")
	action := m.keys.actions[name]
	if top := m.top(); top != nil {
		return top.press(m, key, action)
	}
	if len(name) == 1 && name[0] >= '1' && int(name[0]-'1') < len(m.tabs) {
		m.show(int(name[0] - '1'))
		return nil
	}
	if m.navigate(action) {
		return nil
	}
	return m.act(action)
}

// show goes to a tab.
func (m *Model) show(tab int) { m.tab = (tab + len(m.tabs)) % len(m.tabs) }

// navigate moves in the tab, or to another; false: the action does not move.
func (m *Model) navigate(action string) bool {
	page := max(m.height-8, 1)
	switch action {
	case ActUp:
		m.list().move(m.rows(), -1)
	case ActDown:
		m.list().move(m.rows(), 1)
	case ActPageUp:
		m.list().move(m.rows(), -page)
	case ActPageDown:
		m.list().move(m.rows(), page)
	case ActTop:
		m.list().move(m.rows(), -len(m.rows()))
	case ActBottom:
		m.list().move(m.rows(), len(m.rows()))
	case ActNextTab:
		m.show(m.tab + 1)
	case ActPreviousTab:
		m.show(m.tab - 1)
	case ActMark:
		m.list().mark(m.rows())
	case ActBack:
		m.list().filter, m.list().marks = "", nil
	default:
		return false
	}
	return true
}

// act does what is the same in all tabs, and leaves the rest to the tab.
func (m *Model) act(action string) tea.Cmd {
	switch action {
	case ActQuit:
		return tea.Quit
	case ActHelp:
		m.open(&help{deeds: append(m.deeds(), inEachTab()...)})
	case ActFilter:
		m.open(newFilter(m))
	case ActCommand:
		m.open(newCommand(m, ""))
	case ActNew:
		m.open(newWizard(m))
	case ActLine:
		return m.giveLast()
	case "", ActNarrow, ActPrevious:
	default:
		return m.attempt(action)
	}
	return nil
}

// giveLast shows the command line of what was done last, all of it, and sends it to the
// terminal's clipboard.
func (m *Model) giveLast() tea.Cmd {
	const sent = "   (sent to the clipboard)"
	text := line(m.last)
	switch {
	case m.last == "":
		m.say(toneDim, "nothing was done yet that has a command line")
		return nil
	case lipgloss.Width(text) > m.width:
		m.open(lastLine{})
	case lipgloss.Width(text+sent) > m.width:
		m.say(toneNone, text)
	default:
		m.say(toneNone, text+sent)
	}
	return tea.SetClipboard(m.last)
}
