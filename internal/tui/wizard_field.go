package tui

import (
	"strconv"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

// Defaults are what a new VM has where its form is left as it is, as the command line takes it.
type Defaults struct{ Image, VCPU, Memory, Disk, Network, Egress string }

// wizardField is a field of the form that makes a VM.
type wizardField struct {
	label, takes string
	flag         string // of the command line; empty: none
	given        string // the default
	choices      []string
	input        textinput.Model
	untouched    bool   // it has its default; what is typed replaces it
	problem      string // beside it
	check        func(text string) error
}

// newField makes a field with its default in it.
func newField(label, flag, given, takes string, choices []string, check func(string) error) *wizardField {
	f := &wizardField{label: label, flag: flag, given: given, takes: takes, choices: choices, check: check, untouched: true}
	f.input = field("", given)
	f.given = f.text() // on one line, as it is compared
	f.input.ShowSuggestions = true
	f.input.SetSuggestions(choices)
	f.input.KeyMap.AcceptSuggestion.SetKeys("right")
	f.input.KeyMap.NextSuggestion.SetEnabled(false) // these keys go to other fields
	f.input.KeyMap.PrevSuggestion.SetEnabled(false)
	return f
}

func (f *wizardField) text() string { return strings.TrimSpace(f.input.Value()) }

// changed is what was typed in place of the default; nil: nothing was.
func (f *wizardField) changed() *string {
	if text := f.text(); text != "" && text != f.given {
		return &text
	}
	return nil
}

// take takes a key or what was pasted. What is typed first replaces a default.
func (f *wizardField) take(msg tea.Msg) {
	f.problem = ""
	if f.untouched && f.given != "" {
		key, isKey := msg.(tea.KeyPressMsg)
		switch {
		case !isKey, key.Text != "":
			f.input.SetValue("")
		case key.String() == "backspace", key.String() == "delete":
			f.input.SetValue("")
		}
	}
	f.untouched = false
	f.input, _ = f.input.Update(msg) // its commands only blink the cursor
}

// judge says what is wrong with the field, beside it.
func (f *wizardField) judge() (ok bool) {
	f.problem = ""
	if text := f.changed(); text != nil && f.check != nil {
		if err := f.check(*text); err != nil {
			f.problem = sentence(err)
		}
	}
	return f.problem == ""
}

func checkVCPU(text string) error {
	if n, err := strconv.Atoi(text); err != nil || n < 1 {
		return fault.New(fault.Invalid, "%q is not a number of 1 or more", text)
	}
	return nil
}

func checkSize(text string) error {
	switch n, err := config.ParseSize(text); {
	case err != nil:
		return err
	case n <= 0:
		return fault.New(fault.Invalid, "%s is not positive", text)
	}
	return nil
}

func checkEgress(text string) error {
	_, err := egress.Parse(text)
	return err
}
