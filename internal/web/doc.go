// Package web is the web console: pages over HTTP on a loopback address, for the one
// user whose daemon serves them. It is a client of the API like the command line, and
// knows nothing that a client does not.
//
// One file has each page: what it reads, and what its forms do. Templates and assets
// are embedded. Pages work without scripts, but for live updates and terminals.
package web
