package tui

import "strings"

// The actions that keys are bound to.
const (
	ActUp          = "up"
	ActDown        = "down"
	ActTop         = "top"
	ActBottom      = "bottom"
	ActPageUp      = "page_up"
	ActPageDown    = "page_down"
	ActNextTab     = "next_tab"
	ActPreviousTab = "previous_tab"
	ActOpen        = "open"
	ActShell       = "shell"
	ActLogs        = "logs"
	ActDiff        = "diff"
	ActEgress      = "egress"
	ActAllow       = "allow"
	ActNew         = "new"
	ActMenu        = "menu"
	ActStart       = "start"
	ActStop        = "stop"
	ActPause       = "pause"
	ActDelete      = "delete"
	ActCancel      = "cancel"
	ActMark        = "mark"
	ActFilter      = "filter"
	ActNarrow      = "narrow"
	ActPrevious    = "previous_match"
	ActCommand     = "command"
	ActLine        = "command_line"
	ActHelp        = "help"
	ActQuit        = "quit"
	ActBack        = "back"
)

// Actions returns every action, in the order of the help.
func Actions() []string {
	return []string{
		ActUp, ActDown, ActTop, ActBottom, ActPageUp, ActPageDown, ActNextTab, ActPreviousTab, ActOpen, ActShell, ActLogs, ActDiff, ActEgress, ActAllow,
		ActNew, ActMenu, ActStart, ActStop, ActPause, ActDelete, ActCancel, ActMark, ActFilter, ActNarrow, ActPrevious, ActCommand, ActLine, ActHelp, ActQuit,
	}
}

// keymap finds the action of a key, and the keys of an action.
type keymap struct {
	actions  map[string]string
	bindings []Binding
}

func newKeymap(bindings []Binding) keymap {
	k := keymap{actions: map[string]string{"esc": ActBack}, bindings: bindings}
	for _, b := range bindings {
		for _, key := range b.Keys {
			k.actions[key] = b.Action
		}
	}
	return k
}

// key is the first key of an action, as users know it; empty: it has none.
func (k keymap) key(action string) string {
	if action == ActBack {
		return "Esc"
	}
	for _, b := range k.bindings {
		if b.Action == action && len(b.Keys) > 0 {
			return keyName(b.Keys[0])
		}
	}
	return ""
}

// keyName is a key of bubbletea's as users know it.
func keyName(key string) string {
	switch key {
	case "enter":
		return "Enter"
	case "esc":
		return "Esc"
	case "tab":
		return "Tab"
	case "space":
		return "Space"
	}
	return strings.ReplaceAll(key, "+", "-")
}

// hint is a key with what it does, for the bottom line; empty without a key.
func (k keymap) hint(action, word string) string {
	if key := k.key(action); key != "" {
		return key + " " + word
	}
	return ""
}
