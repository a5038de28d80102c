// Package tui is the terminal UI: a client of the API like the command line, fed by the
// stream of events.
//
// Model is the whole screen. Its Update does no I/O: what asks the daemon, or takes the
// terminal, is in the commands that it returns. world.go has what is known, one tab_*.go
// each tab, and what lies over a tab has a file of its own: pager.go, menu.go, confirm.go,
// wizard.go, help.go, prompt.go.
package tui
