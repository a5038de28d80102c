package web

import (
	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// repeating is the command that does what an operation did, as far as the operation tells: its
// options are not known. Empty: not enough is known to type it.
func repeating(op api.Operation) string {
	if op.Subject == "" {
		return ""
	}
	if verb, ok := map[string]act.Named{
		"vm.start": act.VMStart, "vm.stop": act.VMStop, "vm.restart": act.VMRestart, "vm.reset": act.VMReset, "vm.delete": act.VMDelete,
		"kernel.pull": act.KernelPull, "image.repair": act.ImageRepair, "workspace.export": act.WorkspaceExport,
	}[op.Kind]; ok {
		return cmdline.Line(verb.On(op.Subject))
	}
	switch op.Kind {
	case "image.verify":
		return cmdline.Typed("image", "verify", op.Subject)
	case "image.promote":
		return cmdline.Typed("image", "promote", op.Subject)
	case "image.pull":
		if made, err := client.Result[api.Image](op); err == nil && made.Ref != "" && made.Name != "" {
			return cmdline.Typed("image", "pull", "--name", made.Name, made.Ref)
		}
	}
	return ""
}
