// Package gate decides who is let into the web console. Loopback is no boundary:
// other users of the host reach it, and so does every page that the user's browser
// shows. So a request must name the console's own host, come from the console's own
// pages, and bring the session that a one-time link was exchanged for.
//
// The console's host is a random name below .localhost (RFC 6761, section 6.3:
// browsers resolve it to loopback). Cookies do not know ports, so a console at
// 127.0.0.1 would show its cookie to every other server there; a page that rebinds
// its name to loopback cannot guess this one.
package gate
