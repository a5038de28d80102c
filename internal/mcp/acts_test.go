package mcp

import (
	"testing"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/acttest"
)

// Every act is a tool that exists with the arguments that it takes, or the user's.
func TestActsAreTools(t *testing.T) {
	s := New(newFake(t).daemon(), "test", typed)
	tools := actTools()
	if len(tools) != len(acttest.Verbs()) {
		t.Errorf("there are %d verbs, and entries for %d", len(acttest.Verbs()), len(tools))
	}
	for _, v := range acttest.Verbs() {
		tool, known := tools[v]
		if !known {
			t.Errorf("%s has no entry", v)
		}
		if tool.name == "" {
			continue
		}
		if tool.then != "" && s.inputs[tool.then] == nil {
			t.Errorf("%s: there is no tool %s", v, tool.then)
		}
		schema := s.inputs[tool.name]
		if schema == nil {
			t.Errorf("%s: there is no tool %s", v, tool.name)
			continue
		}
		arguments := []string{tool.subject, tool.session, tool.target}
		for _, o := range acttest.Options(v) {
			if actOption(o).name == "" {
				t.Errorf("%s: the option %s has no argument", v, o)
			}
			arguments = append(arguments, actOption(o).name)
		}
		for _, name := range arguments {
			if name != "" && schema.Properties[name] == nil {
				t.Errorf("%s: %s takes no argument %s", v, tool.name, name)
			}
		}
	}
}

func TestWord(t *testing.T) {
	s := New(newFake(t).daemon(), "test", typed)
	for want, a := range map[string]act.Act{
		`call vm_list`:                                                      act.VMList.Do(),
		`call vm_start {"vm": "web"}`:                                       act.VMStart.On("web"),
		`call vm_start {"vm": "<a\"\n"}`:                                    act.VMStart.On("<a\"\n"),
		`call vm_delete`:                                                    act.VMDelete.On(""),
		`call vm_delete {"force": true}`:                                    act.VMDelete.On("", act.Force),
		`call vm_create {"network": "user"}`:                                act.VMCreate.Do(act.UserNetwork),
		`call session_stop {"vm": "web", "session": "s1"}`:                  act.SessionStop.On("web", "s1"),
		`call vm_delete {"vm": "web", "force": true, "discard_work": true}`: act.VMDelete.On("web", act.Force, act.DiscardWork),
		`call vm_create {"memory_mib": N}`:                                  act.VMCreate.Do(act.Memory),
		`call vm_stop {"vm": "web"}, then vm_start`:                         act.VMRestart.On("web"),
		"ask the user to run `banger vm unprotect web`":                     act.VMUnprotect.On("web"),
		"ask the user to run `banger vm levitate web`":                      {Verb: "vm.levitate", Subject: "web"},
	} {
		if got := s.word(a); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
