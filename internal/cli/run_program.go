package cli

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// programOf returns the entrypoint and command of a VM's image, for a run without
// CMD. None: the image names none, or it is an init, which runs already.
func (a *App) programOf(ctx context.Context, c *client.Client, v api.VM) ([]string, error) {
	img, err := c.GetImage(ctx, v.ImageID)
	if err != nil {
		return nil, err
	}
	program := slices.Concat(img.Entrypoint, img.Cmd)
	if len(program) == 0 {
		return nil, nil
	}
	if slices.Contains([]string{"init", "systemd"}, filepath.Base(program[0])) {
		now, err := c.GetVM(ctx, v.ID)
		if err != nil {
			return nil, err
		}
		if now.Runtime != nil && now.Runtime.GuestInit != "agent" {
			return nil, nil
		}
	}
	a.sayExposed(v, img.ExposedPorts)
	return program, nil
}

// sayExposed says where the ports are that an image's program listens on, but for
// those that are published.
func (a *App) sayExposed(v api.VM, exposed []string) {
	var left []string
	for _, port := range exposed {
		number, proto, _ := strings.Cut(port, "/")
		published := slices.ContainsFunc(v.Publish, func(p api.Publish) bool {
			return strconv.Itoa(p.GuestPort) == number && (proto == "" || p.Proto == proto)
		})
		if !published {
			left = append(left, quotedIfOdd(port))
		}
	}
	if len(left) > 0 {
		a.say("note: the image exposes " + strings.Join(left, ", ") + ": `banger ports " + v.Name + "` shows where; -p HOSTPORT:PORT publishes one")
	}
}

// quotedIfOdd is a port of an image's, as its author wrote it.
func quotedIfOdd(port string) string {
	if strings.Trim(port, "0123456789-/abcdefghijklmnopqrstuvwxyz") != "" {
		return quote(port)
	}
	return port
}

// errNoProgram says that --rm has nothing whose end it could wait for.
func errNoProgram(v api.VM) error {
	return fault.New(fault.Invalid, "image %s runs no command by itself", v.Image).WithHint("add a command: banger run --rm %s CMD", v.Image)
}
