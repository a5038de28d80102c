package doctor

import (
	"context"
	"fmt"
	"strings"
)

// What Landlock can from which ABI on.
const (
	landlockTCP    = 4
	landlockScopes = 6
)

// Confinement is what this host's kernel offers an ordinary user for shutting
// in a program.
type Confinement struct {
	LandlockABI int // 0: none
	Namespaces  bool
}

func checkConfinement(ctx context.Context, w World) verdict {
	c := w.Confinement(ctx)
	holds := []string{"a private environment, resource limits, no new privileges and no new sockets"}
	var lacks, remedies []string
	switch {
	case c.LandlockABI == 0:
		lacks = append(lacks, "this kernel has no Landlock: a VMM can open every file that you can")
		remedies = append(remedies, "boot a kernel with Landlock (5.13 or newer, and landlock among the lsm= of its command line)")
	case c.LandlockABI < landlockTCP:
		lacks = append(lacks, fmt.Sprintf("Landlock ABI %d does not cover TCP ports and signals", c.LandlockABI))
	case c.LandlockABI < landlockScopes:
		lacks = append(lacks, fmt.Sprintf("Landlock ABI %d does not cover signals", c.LandlockABI))
	}
	if c.LandlockABI > 0 {
		holds = append(holds, fmt.Sprintf("only its own files (Landlock ABI %d)", c.LandlockABI))
	}
	if c.Namespaces {
		holds = append(holds, "private user and network namespaces")
	} else {
		lacks = append(lacks, "this host does not let you create user and network namespaces")
		remedies = append(remedies, "allow unprivileged user namespaces if that suits this host")
	}
	text := "a VMM gets " + strings.Join(holds, ", ")
	if len(lacks) == 0 {
		return ok("%s", text)
	}
	if len(remedies) == 0 {
		remedies = append(remedies, "boot a newer kernel")
	}
	return warn(strings.Join(remedies, "; "), "%s; %s", text, strings.Join(lacks, "; "))
}
