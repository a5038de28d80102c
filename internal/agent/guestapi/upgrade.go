package guestapi

import (
	"bufio"
	"net"
	"net/http"
	"strings"
)

// wants reports whether a request asks for an upgrade to protocol. Otherwise it
// was answered, with what the request needs.
func wants(w http.ResponseWriter, r *http.Request, what, protocol string) bool {
	if strings.EqualFold(r.Header.Get("Upgrade"), protocol) {
		return true
	}
	w.Header().Set("Upgrade", protocol)
	replyError(w, http.StatusUpgradeRequired, "invalid", what+" needs Upgrade: "+protocol)
	return false
}

// upgrade takes the connection over and says so, with first as the first bytes
// of the protocol. The caller closes it, and reads it by in, which may have some
// of it already. Not ok: there is no connection any more.
func (s *Server) upgrade(w http.ResponseWriter, protocol string, first []byte) (conn net.Conn, in *bufio.Reader, ok bool) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.log.Error("hijack a connection", "for", protocol, "err", err)
		return nil, nil, false
	}
	head := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n"
	if _, err := conn.Write(append([]byte(head), first...)); err != nil {
		_ = conn.Close()
		return nil, nil, false
	}
	return conn, buf.Reader, true
}
