package web

import (
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// link leads on from a page.
type link struct{ Name, Path string }

// nextAfter is where to go once an operation has ended, what it made or changed first.
// A session that it started comes before that.
func nextAfter(op api.Operation) []link {
	noun, verb, _ := strings.Cut(op.Kind, ".")
	succeeded := op.State == api.OperationSucceeded
	switch noun {
	case "vm":
		return nextAfterVM(op, verb)
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

func nextAfterVM(op api.Operation, verb string) []link {
	all, open := link{"All VMs", "/"}, link{"Open " + op.Subject, vmPath(op.Subject)}
	switch {
	case verb == "create" && op.State != api.OperationSucceeded:
		return []link{all, {"Operations", "/operations"}}
	case verb == "delete" && op.State == api.OperationSucceeded:
		return []link{all}
	case verb == "commit" && op.State == api.OperationSucceeded:
		return []link{{"All images", "/images"}, open}
	}
	if made, err := client.Result[api.CreatedVM](op); verb == "create" && err == nil && made.Started != nil {
		return []link{{"Attach", sessionPath(made.Name, made.Started.Name)}, open, all}
	}
	return []link{open, all}
}
