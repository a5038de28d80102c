// Package act names what a user can do with banger, so that a hint can propose it
// without knowing how it is worded: the command line, the MCP server and every other
// door words an Act in its own terms. See verbs.go for the verbs.
package act

import "strings"

// Act is one thing to do. Its JSON form is part of the API, of the monitor's
// protocol and of the database.
type Act struct {
	Verb Verb `json:"verb" doc:"what to do, such as vm.start"`
	// Subject is what to do it to, as its user named it: untrusted text for the code that
	// shows it. Empty where the reader has to choose.
	Subject string `json:"subject,omitempty" doc:"the VM, image or kernel to do it to; empty: one to choose"`
	// Session is the session in the VM Subject; empty where the reader has to choose.
	Session string `json:"session,omitempty" doc:"the session in the VM"`
	// Target is the name that its result gets, or of the snapshot of the VM; empty where the
	// reader has to choose.
	Target  string   `json:"target,omitempty" doc:"the name that its result gets, or of the snapshot of the VM; empty: one to choose"`
	Options []Option `json:"options,omitempty" doc:"how to do it, such as force"`
}

// Verb says what to do. A build can meet verbs of a newer one, which it does not know.
type Verb string

// Bare is a Verb that acts on nothing in particular.
type Bare Verb

// Do returns the act.
func (v Bare) Do(options ...Option) Act { return Act{Verb: Verb(v), Options: options} }

// Named is a Verb that acts on a VM, an image or a kernel.
type Named Verb

// On returns the act on what is called name. An empty name leaves the choice to the
// reader.
func (v Named) On(name string, options ...Option) Act {
	return Act{Verb: Verb(v), Subject: name, Options: options}
}

// InVM is a Verb that acts on a session of a VM.
type InVM Verb

// On returns the act on a session of vm. Each that is empty leaves the choice to the
// reader.
func (v InVM) On(vm, session string) Act {
	return Act{Verb: Verb(v), Subject: vm, Session: session}
}

// To returns the act with a name for its result.
func (a Act) To(name string) Act {
	a.Target = name
	return a
}

// String is the act in words of no door, for logs and for clients that know no acts.
func (a Act) String() string {
	words := []string{strings.ReplaceAll(string(a.Verb), ".", " ")}
	for _, word := range []string{a.Subject, a.Session, a.Target} {
		if word != "" {
			words = append(words, word)
		}
	}
	if len(a.Options) > 0 {
		options := make([]string, len(a.Options))
		for i, o := range a.Options {
			options[i] = string(o)
		}
		words = append(words, "("+strings.Join(options, ", ")+")")
	}
	return strings.Join(words, " ")
}
