package cli

import (
	"strings"

	"github.com/bangervm/banger/internal/act"
)

// actLine is how an act is typed: banger COMMAND OPTIONS SUBJECT SESSION REST.
type actLine struct {
	command string
	// subject and session are what stands there until the reader has chosen. Empty: the
	// command takes none.
	subject, session string
	rest             string
}

// actLines has every verb.
func actLines() map[act.Verb]actLine {
	return map[act.Verb]actLine{
		act.Verb(act.ConfigShow): {command: "config show"},
		act.Verb(act.Doctor):     {command: "doctor"},

		act.Verb(act.DaemonLogs):   {command: "daemon logs"},
		act.Verb(act.DaemonStart):  {command: "daemon start"},
		act.Verb(act.DaemonStatus): {command: "daemon status"},
		act.Verb(act.DaemonStop):   {command: "daemon stop"},

		act.Verb(act.ImageDelete):   {command: "image rm", subject: "NAME"},
		act.Verb(act.ImageList):     {command: "image list"},
		act.Verb(act.ImagePull):     {command: "image pull", subject: "REF"},
		act.Verb(act.ImageRegister): {command: "image register", rest: "--rootfs FILE"},
		act.Verb(act.ImageRepair):   {command: "image repair", subject: "NAME"},

		act.Verb(act.KernelDelete): {command: "kernel rm", subject: "NAME"},
		act.Verb(act.KernelImport): {command: "kernel import", subject: "NAME", rest: "--from DIR"},
		act.Verb(act.KernelList):   {command: "kernel list"},
		act.Verb(act.KernelPull):   {command: "kernel pull", subject: "NAME"},

		act.Verb(act.SessionAttach): {command: "vm session attach", subject: "NAME", session: "SESSION"},
		act.Verb(act.SessionDelete): {command: "vm session rm", subject: "NAME", session: "SESSION"},
		act.Verb(act.SessionList):   {command: "vm session list", subject: "NAME"},
		act.Verb(act.SessionShow):   {command: "vm session show", subject: "NAME", session: "SESSION"},
		act.Verb(act.SessionStop):   {command: "vm session stop", subject: "NAME", session: "SESSION"},

		act.Verb(act.VMCommit):    {command: "vm commit", subject: "NAME", rest: "IMAGE"},
		act.Verb(act.VMCopy):      {command: "vm cp", rest: "SRC DST"},
		act.Verb(act.VMCreate):    {command: "vm create"},
		act.Verb(act.VMDelete):    {command: "vm rm", subject: "NAME"},
		act.Verb(act.VMEgress):    {command: "vm egress show", subject: "NAME"},
		act.Verb(act.VMExec):      {command: "vm exec", subject: "NAME", rest: "-- CMD"},
		act.Verb(act.VMHealth):    {command: "vm health", subject: "NAME"},
		act.Verb(act.VMKill):      {command: "vm kill", subject: "NAME"},
		act.Verb(act.VMList):      {command: "vm list"},
		act.Verb(act.VMLogs):      {command: "vm logs", subject: "NAME"},
		act.Verb(act.VMPorts):     {command: "vm ports", subject: "NAME"},
		act.Verb(act.VMReset):     {command: "vm reset", subject: "NAME"},
		act.Verb(act.VMRestart):   {command: "vm restart", subject: "NAME"},
		act.Verb(act.VMResume):    {command: "vm resume", subject: "NAME"},
		act.Verb(act.VMSet):       {command: "vm set", subject: "NAME"},
		act.Verb(act.VMStart):     {command: "vm start", subject: "NAME"},
		act.Verb(act.VMStop):      {command: "vm stop", subject: "NAME"},
		act.Verb(act.VMUnprotect): {command: "vm unprotect", subject: "NAME"},
		act.Verb(act.VMWait):      {command: "vm wait", subject: "NAME"},

		act.Verb(act.WorkspaceExport):  {command: "vm workspace export", subject: "NAME"},
		act.Verb(act.WorkspacePrepare): {command: "vm workspace prepare", subject: "NAME"},
	}
}

// actFlag is an option as the command line has it.
func actFlag(o act.Option) string {
	switch o {
	case act.Available:
		return "--available"
	case act.BaseCommit:
		return "--base-commit COMMIT"
	case act.DiscardWork:
		return "--discard-work"
	case act.Force:
		return "--force"
	case act.FormatBundle:
		return "--format bundle"
	case act.FormatPatch:
		return "--format patch"
	case act.FullCopy:
		return "--mode full_copy"
	case act.Memory:
		return "--memory SIZE"
	case act.Name:
		return "--name NAME"
	case act.Platform:
		return "--platform OS/ARCH"
	case act.Replace:
		return "--replace"
	case act.Rescue:
		return "--rescue"
	case act.Shallow:
		return "--mode shallow"
	case act.UserNetwork:
		return "--network user"
	default:
		return ""
	}
}

// commandLine words an act as the command to type. What a daemon of a newer build
// means by a verb that this one does not know is said in no door's words.
func commandLine(a act.Act) string {
	line, known := actLines()[a.Verb]
	if !known {
		return a.String()
	}
	words := []string{"banger", line.command}
	for _, o := range a.Options {
		words = append(words, actFlag(o))
	}
	words = append(words, actArgument(a.Subject, line.subject), actArgument(a.Session, line.session), line.rest)
	typed := words[:0]
	for _, word := range words {
		if word != "" {
			typed = append(typed, word)
		}
	}
	return strings.Join(typed, " ")
}

// actArgument is a name as an argument that is nothing else: no flag, and no more
// than one word for a shell.
func actArgument(name, placeholder string) string {
	switch {
	case placeholder == "", name == "":
		return placeholder
	case strings.HasPrefix(name, "-"):
		return "-- " + shellWord(name)
	default:
		return shellWord(name)
	}
}
