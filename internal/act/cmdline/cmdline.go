// Package cmdline words acts as the commands to type, for every door that shows command
// lines.
package cmdline

import (
	"strings"
	"sync"
	"unicode"

	"github.com/bangervm/banger/internal/act"
)

// line is how an act is typed: banger COMMAND OPTIONS SUBJECT SESSION TARGET REST.
type line struct {
	command string
	// subject, session and target are what stands there until the reader has chosen. Empty: the
	// command takes none.
	subject, session, target string
	rest                     string
}

// lines has every verb.
// lines are made once: a page of many VMs has thousands of command lines.
var lines = sync.OnceValue(func() map[act.Verb]line { //nolint:gochecknoglobals // it never changes
	return map[act.Verb]line{
		act.Verb(act.ConfigShow): {command: "config show"},
		act.Verb(act.Doctor):     {command: "doctor"},
		act.Verb(act.EgressShow): {command: "egress show"},

		act.Verb(act.DaemonLogs):   {command: "daemon logs"},
		act.Verb(act.DaemonStart):  {command: "daemon start"},
		act.Verb(act.DaemonStatus): {command: "daemon status"},
		act.Verb(act.DaemonStop):   {command: "daemon stop"},

		act.Verb(act.ImageDelete):   {command: "image rm", subject: "NAME"},
		act.Verb(act.ImageList):     {command: "image list"},
		act.Verb(act.ImagePull):     {command: "image pull", subject: "REF"},
		act.Verb(act.ImageRegister): {command: "image register", rest: "--rootfs FILE"},
		act.Verb(act.ImageRepair):   {command: "image repair", subject: "NAME"},
		act.Verb(act.ImageTag):      {command: "image tag", subject: "NAME", target: "NEW"},

		act.Verb(act.KernelDelete): {command: "kernel rm", subject: "NAME"},
		act.Verb(act.KernelImport): {command: "kernel import", subject: "NAME", rest: "--from DIR"},
		act.Verb(act.KernelList):   {command: "kernel list"},
		act.Verb(act.KernelPull):   {command: "kernel pull", subject: "NAME"},

		act.Verb(act.SessionAttach): {command: "vm session attach", subject: "NAME", session: "SESSION"},
		act.Verb(act.SessionDelete): {command: "vm session rm", subject: "NAME", session: "SESSION"},
		act.Verb(act.SessionList):   {command: "vm session list", subject: "NAME"},
		act.Verb(act.SessionShow):   {command: "vm session show", subject: "NAME", session: "SESSION"},
		act.Verb(act.SessionStop):   {command: "vm session stop", subject: "NAME", session: "SESSION"},

		act.Verb(act.SnapshotCreate): {command: "vm snapshot create", subject: "NAME"},
		act.Verb(act.SnapshotDelete): {command: "vm snapshot rm", subject: "NAME", target: "SNAPSHOT"},
		act.Verb(act.SnapshotList):   {command: "vm snapshot list", subject: "NAME"},
		act.Verb(act.SnapshotPrune):  {command: "vm snapshot prune", subject: "NAME"},

		act.Verb(act.VMCommit):    {command: "vm commit", subject: "NAME", target: "IMAGE"},
		act.Verb(act.VMCopy):      {command: "vm cp", rest: "SRC DST"},
		act.Verb(act.VMCreate):    {command: "vm create"},
		act.Verb(act.VMDelete):    {command: "vm rm", subject: "NAME"},
		act.Verb(act.VMEgress):    {command: "vm egress show", subject: "NAME"},
		act.Verb(act.VMExec):      {command: "vm exec", subject: "NAME", rest: "-- CMD"},
		act.Verb(act.VMHealth):    {command: "vm health", subject: "NAME"},
		act.Verb(act.VMKill):      {command: "vm kill", subject: "NAME"},
		act.Verb(act.VMList):      {command: "vm list"},
		act.Verb(act.VMLogs):      {command: "vm logs", subject: "NAME"},
		act.Verb(act.VMPause):     {command: "vm pause", subject: "NAME"},
		act.Verb(act.VMPorts):     {command: "vm ports", subject: "NAME"},
		act.Verb(act.VMProtect):   {command: "vm protect", subject: "NAME"},
		act.Verb(act.VMRename):    {command: "vm rename", subject: "OLD", target: "NEW"},
		act.Verb(act.VMReset):     {command: "vm reset", subject: "NAME"},
		act.Verb(act.VMRestart):   {command: "vm restart", subject: "NAME"},
		act.Verb(act.VMResume):    {command: "vm resume", subject: "NAME"},
		act.Verb(act.VMSet):       {command: "vm set", subject: "NAME"},
		act.Verb(act.VMSSH):       {command: "vm ssh", subject: "NAME"},
		act.Verb(act.VMStart):     {command: "vm start", subject: "NAME"},
		act.Verb(act.VMStop):      {command: "vm stop", subject: "NAME"},
		act.Verb(act.VMSuspend):   {command: "vm suspend", subject: "NAME"},
		act.Verb(act.VMUnprotect): {command: "vm unprotect", subject: "NAME"},
		act.Verb(act.VMWait):      {command: "vm wait", subject: "NAME"},

		act.Verb(act.WorkspaceExport):  {command: "vm workspace export", subject: "NAME"},
		act.Verb(act.WorkspacePrepare): {command: "vm workspace prepare", subject: "NAME"},
	}
})

// flag is an option of a as the command line has it.
func flag(o act.Option, a act.Act) string {
	switch o {
	case act.Available:
		return "--available"
	case act.BaseCommit:
		return "--base-commit COMMIT"
	case act.Cold:
		return "--cold"
	case act.Console:
		return "--console true"
	case act.DiscardWork:
		return "--discard-work"
	case act.DiskOnly:
		return "--disk-only"
	case act.Entrypoint:
		return "--entrypoint"
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
		if a.Target != "" {
			return "--name " + Word(a.Target)
		}
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

// Line words an act as the command to type. What a daemon of a newer build
// means by a verb that this one does not know is said in no door's words.
func Line(a act.Act) string {
	as, known := lines()[a.Verb]
	if !known {
		return a.String()
	}
	words := []string{"banger", as.command}
	for _, o := range a.Options {
		words = append(words, flag(o, a))
	}
	words = append(words, argument(a.Subject, as.subject), argument(a.Session, as.session), argument(a.Target, as.target), as.rest)
	typed := words[:0]
	for _, word := range words {
		if word != "" {
			typed = append(typed, word)
		}
	}
	return strings.Join(typed, " ")
}

// argument is a name as an argument that is nothing else: no flag, and no more
// than one word for a shell.
func argument(name, placeholder string) string {
	switch {
	case placeholder == "", name == "":
		return placeholder
	case strings.HasPrefix(name, "-"):
		return "-- " + Word(name)
	default:
		return Word(name)
	}
}

// Word is a word of a command that the user may copy into a shell.
func Word(word string) string {
	if word == "" {
		return Quoted(word)
	}
	for _, r := range word {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-+,:@%=", r) {
			return Quoted(word)
		}
	}
	return word
}

// Quoted is a word in a shell's single quotes.
func Quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// Verbs returns how many verbs have a command line.
func Verbs() int { return len(lines()) }

// Typed words a command of banger with all its arguments, for the doors that show what
// their forms do.
func Typed(args ...string) string {
	words := make([]string, 1, len(args)+1)
	words[0] = "banger"
	for _, arg := range args {
		words = append(words, Word(arg))
	}
	return strings.Join(words, " ")
}
