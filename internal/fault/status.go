package fault

import "net/http"

// statusClientClosed is nginx's "client closed request": net/http has no name
// for an answer to somebody who asked for the work to be cancelled.
const statusClientClosed = 499

// HTTPStatus is the status of an answer about a fault with this code, in the API and in
// the web console.
func (c Code) HTTPStatus() int {
	switch c {
	case NotFound:
		return http.StatusNotFound
	case Conflict, Busy:
		return http.StatusConflict
	case Invalid:
		return http.StatusUnprocessableEntity
	case Unavailable:
		return http.StatusServiceUnavailable
	case PermissionDenied:
		return http.StatusForbidden
	case Canceled:
		return statusClientClosed
	default:
		return http.StatusInternalServerError
	}
}
