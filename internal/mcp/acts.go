package mcp

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/bangervm/banger/internal/act"
)

// actTool is the tool that does an act, with the names of its arguments, and another
// to call then. None: the user can do it.
type actTool struct{ name, subject, session, target, then string }

// actTools has every verb.
func actTools() map[act.Verb]actTool {
	user := actTool{}
	return map[act.Verb]actTool{
		act.Verb(act.ConfigShow): user,
		act.Verb(act.Doctor):     user,
		act.Verb(act.EgressShow): user,

		act.Verb(act.DaemonLogs):   user,
		act.Verb(act.DaemonStart):  user,
		act.Verb(act.DaemonStatus): user,
		act.Verb(act.DaemonStop):   user,

		act.Verb(act.ImageDelete):   user,
		act.Verb(act.ImageList):     {name: "image_list"},
		act.Verb(act.ImagePull):     user,
		act.Verb(act.ImageRegister): user,
		act.Verb(act.ImageRepair):   user,
		act.Verb(act.ImageTag):      user,

		act.Verb(act.KernelDelete): user,
		act.Verb(act.KernelImport): user,
		act.Verb(act.KernelList):   user,
		act.Verb(act.KernelPull):   user,

		act.Verb(act.SessionAttach): {name: "session_read", subject: "vm", session: "session"},
		act.Verb(act.SessionDelete): user,
		act.Verb(act.SessionList):   {name: "session_list", subject: "vm"},
		act.Verb(act.SessionShow):   {name: "session_list", subject: "vm"},
		act.Verb(act.SessionStop):   {name: "session_stop", subject: "vm", session: "session"},

		act.Verb(act.SnapshotCreate): {name: "snapshot_create", subject: "vm"},
		act.Verb(act.SnapshotDelete): user,
		act.Verb(act.SnapshotList):   {name: "snapshot_list", subject: "vm"},
		act.Verb(act.SnapshotPrune):  user,

		act.Verb(act.VMCommit):    {name: "vm_commit", subject: "vm", target: "image"},
		act.Verb(act.VMCopy):      user,
		act.Verb(act.VMCreate):    {name: "vm_create"},
		act.Verb(act.VMDelete):    {name: "vm_delete", subject: "vm"},
		act.Verb(act.VMEgress):    {name: "vm_egress", subject: "vm"},
		act.Verb(act.VMExec):      {name: "exec", subject: "vm"},
		act.Verb(act.VMHealth):    {name: "vm_show", subject: "vm"},
		act.Verb(act.VMKill):      user,
		act.Verb(act.VMList):      {name: "vm_list"},
		act.Verb(act.VMLogs):      {name: "vm_logs", subject: "vm"},
		act.Verb(act.VMPorts):     {name: "vm_ports", subject: "vm"},
		act.Verb(act.VMProtect):   user,
		act.Verb(act.VMRename):    user,
		act.Verb(act.VMReset):     user,
		act.Verb(act.VMRestart):   {name: "vm_stop", subject: "vm", then: "vm_start"},
		act.Verb(act.VMPause):     user,
		act.Verb(act.VMResume):    user,
		act.Verb(act.VMSet):       user,
		act.Verb(act.VMSSH):       user,
		act.Verb(act.VMStart):     {name: "vm_start", subject: "vm"},
		act.Verb(act.VMStop):      {name: "vm_stop", subject: "vm"},
		act.Verb(act.VMSuspend):   user,
		act.Verb(act.VMUnprotect): user,
		act.Verb(act.VMWait):      {name: "vm_show", subject: "vm"},

		act.Verb(act.WorkspaceExport):  {name: "workspace_export", subject: "vm"},
		act.Verb(act.WorkspacePrepare): {name: "workspace_prepare", subject: "vm"},
	}
}

// argument is an argument of a call, with its value as JSON.
type argument struct{ name, value string }

// actOption is an option as tools have it.
func actOption(o act.Option) argument {
	switch o {
	case act.Available:
		return argument{"available", "true"}
	case act.DiscardWork:
		return argument{"discard_work", "true"}
	case act.DiskOnly:
		return argument{"disk_only", "true"}
	case act.Entrypoint:
		return argument{"restart_policy", `"no"`}
	case act.Force:
		return argument{"force", "true"}
	case act.Cold:
		return argument{"cold", "true"}
	case act.Rescue:
		return argument{"rescue", "true"}
	case act.UserNetwork:
		return argument{"network", `"user"`}
	case act.BaseCommit:
		return argument{"base_commit", "COMMIT"}
	case act.FormatBundle:
		return argument{"format", `"bundle"`}
	case act.FormatPatch:
		return argument{"format", `"patch"`}
	case act.FullCopy:
		return argument{"mode", `"full_copy"`}
	case act.Shallow:
		return argument{"mode", `"shallow"`}
	case act.Memory:
		return argument{"memory_mib", "N"}
	case act.Replace:
		return argument{"replace", "true"}
	case act.Console, act.Name, act.Platform: // no tool has it
		return argument{}
	default:
		return argument{}
	}
}

// word words an act as the tool to call, or as what to ask the user for.
func (s *Server) word(a act.Act) string {
	tool := actTools()[a.Verb]
	if tool.name == "" {
		return "ask the user to run `" + s.commandLine(a) + "`"
	}
	arguments := []argument{{tool.subject, quoted(a.Subject)}, {tool.session, quoted(a.Session)}, {tool.target, quoted(a.Target)}}
	for _, o := range a.Options {
		arguments = append(arguments, actOption(o))
	}
	var members []string
	for _, m := range arguments {
		if m.name != "" && m.value != `""` {
			members = append(members, quoted(m.name)+": "+m.value)
		}
	}
	call := "call " + tool.name
	if len(members) > 0 {
		call += " {" + strings.Join(members, ", ") + "}"
	}
	if tool.then != "" {
		call += ", then " + tool.then
	}
	return call
}

// quoted is text as JSON.
func quoted(text string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string always has a form
	return strings.TrimSuffix(b.String(), "\n")
}
