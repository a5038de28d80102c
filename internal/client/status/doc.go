// Package status words what the doors show of VMs and sessions: ages, who needs
// attention and why, and which comes first. The web console, the terminal UI and the
// command line say the same by it.
package status
