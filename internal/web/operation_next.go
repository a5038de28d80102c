package web

import (
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/api"
)

// link leads on from a page.
type link struct{ Name, Path string }

// nextAfter is where to go once an operation has ended, what it made or changed first.
// Sessions that were started after it come before that.
func nextAfter(op api.Operation, then []thenStep) []link {
	noun, verb, _ := strings.Cut(op.Kind, ".")
	succeeded := op.State == api.OperationSucceeded
	switch noun {
	case "vm":
		return nextAfterVM(op, verb, then)
	case "workspace":
		work := vmPath(op.Subject) + "/workspace"
		if verb == "export" && succeeded {
			work += "?" + url.Values{operationParam: {op.ID}}.Encode()
		}
		return []link{{"Workspace of " + op.Subject, work}, {"Open " + op.Subject, vmPath(op.Subject)}}
	case "image":
		all := link{"All images", "/images"}
		if succeeded {
			return []link{{"Create a VM of it", "/create?" + url.Values{"image": {op.Subject}}.Encode()}, all}
		}
		return []link{all}
	case "kernel":
		return []link{{"All kernels", "/kernels"}}
	case "system":
		return []link{{"All images", "/images"}}
	}
	return []link{{"All operations", "/operations"}}
}

func nextAfterVM(op api.Operation, verb string, then []thenStep) []link {
	all, open := link{"All VMs", "/"}, link{"Open " + op.Subject, vmPath(op.Subject)}
	switch {
	case verb == "create" && op.State != api.OperationSucceeded:
		return []link{all, {"Operations", "/operations"}}
	case verb == "delete" && op.State == api.OperationSucceeded:
		return []link{all}
	case verb == "commit" && op.State == api.OperationSucceeded:
		return []link{{"All images", "/images"}, open}
	}
	next := []link{open, all}
	for _, step := range then {
		if strings.HasPrefix(step.Path, open.Path+"/sessions/") {
			next = append([]link{{"Attach", step.Path}}, next...)
		}
	}
	return next
}
