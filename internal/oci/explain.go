package oci

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// explain turns what went wrong with a registry into a fault.
func (r *registry) explain(ctx context.Context, err error) error {
	host := r.host()
	if cause := context.Cause(ctx); errors.Is(cause, errIdle) {
		return fault.New(fault.Unavailable, "the registry %s has sent almost nothing for %s", host, r.idle).
			WithHint("try again: the layers that are complete are kept")
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fault.Wrap(fault.Unavailable, bad.Err, "cannot verify the certificate of the registry %s", host).
			WithHint("if its own CA made it: ca_file under [registry.%q] in config.toml", image.RegistryName(host))
	}
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		return r.explainAnswer(withoutData(answer))
	}
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return own
	}
	if isNetwork(err) {
		return fault.Wrap(fault.Unavailable, withoutURL(err), "the registry %s does not answer", host).
			WithHint("check the network and the name; the complete parts of the image are kept")
	}
	return fault.Wrap(fault.Invalid, err, "cannot use what the registry %s answered about %s", host, r.ref)
}

// host is the registry as people know it.
func (r *registry) host() string {
	return image.RegistryName(r.ref.Context().RegistryStr())
}

func (r *registry) explainAnswer(err *transport.Error) error {
	host := r.host()
	switch err.StatusCode {
	case http.StatusNotFound:
		return fault.Wrap(fault.NotFound, err, "no image %s", r.ref).WithHint("check the name and the tag")
	case http.StatusUnauthorized, http.StatusForbidden:
		if problem := r.creds.failure(); problem != nil {
			return fault.Wrap(fault.PermissionDenied, err, "the registry %s does not show %s without a login, and banger cannot read yours: %v", host, r.ref, problem).
				WithHint("docker login %s shows whether your login works; after a change of PATH: %s", host, act.DaemonStop.Do())
		}
		return fault.Wrap(fault.PermissionDenied, err, "the registry %s does not show %s to you", host, r.ref).
			WithHint("check the name, or log in: docker login %s", host)
	case http.StatusTooManyRequests:
		limited := fault.Wrap(fault.Unavailable, err, "the registry %s limits how much you can fetch", host)
		if asked := time.Duration(r.guard.asked.Load()); asked > 0 {
			return limited.WithHint("try again in %s, or log in: docker login %s", asked, host)
		}
		return limited.WithHint("wait, or log in: docker login %s", host)
	}
	if err.StatusCode >= http.StatusInternalServerError {
		return fault.Wrap(fault.Unavailable, err, "the registry %s has an internal problem", host).WithHint("try again later")
	}
	return fault.Wrap(fault.Invalid, err, "the registry %s refused %s", host, r.ref)
}

// withoutData leaves out of a registry's answer what is for programs: details that are no text.
func withoutData(answer *transport.Error) *transport.Error {
	out := *answer
	out.Errors = slices.Clone(answer.Errors)
	for i := range out.Errors {
		if _, ok := out.Errors[i].Detail.(string); !ok {
			out.Errors[i].Detail = nil
		}
	}
	return &out
}

// withoutURL leaves out the address of a request of ours, which users do not know.
func withoutURL(err error) error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if request, ok := e.(*url.Error); ok { //nolint:errorlint // one of several failures must not stand for all
			return request.Err
		}
	}
	return err
}

func isNetwork(err error) bool {
	_, isURL := errors.AsType[*url.Error](err)
	_, isNet := errors.AsType[net.Error](err)
	_, isOp := errors.AsType[*net.OpError](err)
	return isURL || isNet || isOp || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF)
}
