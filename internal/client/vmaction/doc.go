// Package vmaction has what can be done to a VM: in which states, what it destroys, and
// how the daemon is asked for it. The web console and the terminal UI offer the same
// actions in the same words by it.
package vmaction
