// Package boundlog keeps logs that others can cause from growing: File bounds
// their size, Handler their rate.
package boundlog
