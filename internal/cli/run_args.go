package cli

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// runOptions are what run does with the VM that it creates.
type runOptions struct {
	remove      bool
	noWorkspace bool
	mode        *optional[string]
	exec        execFlags

	path    string // of the work tree; empty: the current directory
	image   string // the first word, where it is no PATH
	command []string
	ofImage bool // the image is named, and its own command is to run
}

// take sorts the words: [IMAGE|PATH] [[--] CMD ARG...]. Flags may stand before the
// first word and behind it; they end at the command. hasImage says that --image
// was given, so that a first word that is no directory begins the command.
func (o *runOptions) take(cmd *cobra.Command, given []string, hasImage func() bool) error {
	if cmd.ArgsLenAtDash() == 0 {
		return o.takeCommand(cmd, given, true)
	}
	if len(given) == 0 {
		o.ofImage = hasImage()
		return o.takeCommand(cmd, nil, false)
	}
	word, rest := given[0], given[1:]
	dash := false
	if begins := firstWord(rest); begins >= 0 {
		if err := cmd.Flags().Parse(rest); err != nil {
			return ownFailure(flagError(cmd, err))
		}
		dash = cmd.ArgsLenAtDash() == 0
		rest = cmd.Flags().Args()
	}
	switch {
	case isDirectory(word) && (!o.noWorkspace || looksLikePath(word)):
		o.path = word
	case looksLikePath(word):
		o.command = rest
		return fault.New(fault.Invalid, "%s: no such directory", word).WithHint("give a git work tree or an image, then the command")
	case hasImage():
		rest = append([]string{word}, rest...)
	default:
		o.image = word
	}
	o.ofImage = len(rest) == 0 && (o.image != "" || hasImage())
	return o.takeCommand(cmd, rest, dash)
}

// firstWord is the index of a flag or "--" that is to be read before the command;
// -1 when the command begins at once, or there is none.
func firstWord(rest []string) int {
	if len(rest) > 0 && strings.HasPrefix(rest[0], "-") && rest[0] != "-" {
		return 0
	}
	return -1
}

func (o *runOptions) takeCommand(cmd *cobra.Command, command []string, dash bool) error {
	o.command = command
	switch {
	case len(command) == 0 && dash:
		return usagef(cmd, "no command after --")
	case len(command) == 0 && o.remove && o.path != "" && !looksLikePath(o.path):
		return &usageError{message: "--rm needs a CMD: " + quote(o.path) + " is a directory here, not an image", hint: "if you mean the image, use --image " + cmdline.Word(o.path)}
	case len(command) == 0 && o.remove && !o.ofImage:
		return usagef(cmd, "--rm needs a CMD or an IMAGE: it deletes the VM when the command ends")
	case o.noWorkspace && o.path != "":
		return &usageError{message: "PATH " + quote(o.path) + " and --no-workspace cannot be used together", hint: "remove one of them"}
	}
	return nil
}

// request is what to run in the VM, in its workspace, at the place below it that
// the user is at here.
func (o *runOptions) request(a *App, w *api.Workspace, below string) (api.Exec, error) {
	terminals := isTerminal(a.In) && isTerminal(a.Out) && isTerminal(a.Err)
	if o.exec.tty && !isTerminal(a.In) {
		return api.Exec{}, errNoTerminal()
	}
	req := o.exec.request(o.command)
	req.Stdin, req.TTY = true, o.exec.tty || terminals && !o.exec.stdin
	if w != nil && req.Dir == "" {
		req.Dir = filepath.Join(w.Path, below)
	}
	if w != nil && req.User == "" {
		req.User = "root" // whose the workspace is
	}
	return req, nil
}

func errNoTerminal() error {
	return fault.New(fault.Invalid, "-t needs a terminal, but stdin is not a terminal").WithHint("use -i instead of -t to pass stdin")
}

// source is the work tree that becomes the VM's workspace, and the place below its
// top that is meant; empty: none.
func (o *runOptions) source() (top, below string, err error) {
	if o.noWorkspace {
		return "", "", nil
	}
	dir := o.path
	if dir == "" {
		if dir, err = os.Getwd(); err != nil {
			return "", "", nil //nolint:nilerr // a directory that was removed is no repository
		}
	}
	if dir, err = absolutePath(dir); err != nil {
		return "", "", err
	}
	top = gitRoot(dir)
	if top == "" && o.path != "" {
		return "", "", fault.New(fault.Invalid, "%s is not in a git work tree", o.path).
			WithHint("run `git init` there; or, if you mean the image, use --image %s", o.path)
	}
	if top == "" {
		return "", "", nil
	}
	below, err = filepath.Rel(top, dir)
	return top, below, err
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// looksLikePath reports whether a word can be no image.
func looksLikePath(word string) bool {
	return word == "." || word == ".." || word == "~" || strings.HasPrefix(word, "/") ||
		strings.HasPrefix(word, "./") || strings.HasPrefix(word, "../") || strings.HasPrefix(word, "~/")
}
