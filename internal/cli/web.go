package cli

import (
	"context"
	"fmt"
	"html"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/wholefile"
)

// openTime bounds how long the program that opens a browser may take.
const openTime = 10 * time.Second

func (a *App) webCommand() *cobra.Command {
	var show, signOut bool
	cmd := &cobra.Command{
		Use: "web", Short: "Open the web console",
		Long: "Open the web console in a browser that it signs in. Without a desktop, print a link instead.\n" +
			"The console answers on this host only. A link works once, within 60 seconds.",
		Example: "  banger web\n  banger web --print\n  banger web --sign-out",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if show && signOut {
				return usagef(cmd, "--print and --sign-out cannot be used together")
			}
			if signOut {
				return a.webSignOut(cmd.Context())
			}
			return a.web(cmd.Context(), show)
		},
	}
	cmd.Flags().BoolVar(&show, "print", false, "print the link instead of opening a browser")
	cmd.Flags().BoolVar(&signOut, "sign-out", false, "sign all browsers out")
	return cmd
}

func (a *App) web(ctx context.Context, show bool) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	link, err := c.WebLink(ctx)
	if err != nil {
		return err
	}
	if opener := a.browserOpener(); opener != "" && !show {
		if err := a.openBrowser(ctx, opener, link); err == nil {
			return nil
		}
		a.say("cannot open a browser; open the link yourself")
	}
	if isTerminal(a.Err) {
		a.say("This link works once, within 60 seconds:")
	}
	return a.print(link.URL + "\n")
}

// browserOpener is the program that opens a page on this desktop; empty: none.
func (a *App) browserOpener() string {
	if a.getenv("DISPLAY") == "" && a.getenv("WAYLAND_DISPLAY") == "" {
		return ""
	}
	path, err := exec.LookPath("xdg-open")
	if err != nil {
		return ""
	}
	return path
}

// openBrowser gives the browser a page of the user's own that leads on: other users of
// the host see what is on a command line.
func (a *App) openBrowser(ctx context.Context, opener string, link api.WebLink) error {
	dirs, err := statedir.FromEnv()
	if err != nil {
		return err
	}
	page := fmt.Sprintf("<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0;url=%s\"><title>banger</title>\n", html.EscapeString(link.URL))
	if err := wholefile.Replace(dirs.WebEntry(), strings.NewReader(page), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	return exec.CommandContext(ctx, opener, dirs.WebEntry()).Run()
}

func (a *App) webSignOut(ctx context.Context) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	out, err := c.SignOutWeb(ctx)
	if err != nil {
		return err
	}
	return a.print(fault.Count(out.Sessions, "browser") + " signed out\n")
}
