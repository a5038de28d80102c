package api

// Channel is where the agent of a living VM answers on this host, past the
// daemon: a stream made there does not end with the daemon. The socket is the
// VM's own, by Firecracker's hybrid vsock contract, and lets in processes of this
// user only. What runs behind it is the guest's, and is not to be trusted.
type Channel struct {
	VM      string `json:"vm" doc:"the VM's name"`
	VMID    string `json:"vm_id"`
	Socket  string `json:"socket" doc:"path of the Unix socket, on the daemon's host"`
	Token   string `json:"token" doc:"of the agent's HTTP API (port 1025): Authorization: Bearer TOKEN"`
	Session string `json:"session_id,omitempty" doc:"the requested session, as the agent knows it"`
}
