package agentrpc

// CopyProtocol is the Upgrade token of POST /v1/copy, which moves files and
// trees between host and guest as root. The request carries a CopyRequest as its
// JSON body. An agent of an older build answers 404: then there is SFTP.
//
// "put": the host sends a tree (see TreeWriter) whose records follow a TreeTop
// for each thing that is copied; the agent answers with one CopyAnswer line, early
// when it fails, and lands each file as its data is complete.
//
// "get": the agent answers with one CopyAnswer line, and a tree follows when it
// has no code. TreeNote records say what is not in it.
//
// Either end may close the stream at any time, which voids what is under way: who
// writes files removes what it has staged.
const CopyProtocol = "banger-copy-v1"

// PathCopy is where the agent serves CopyProtocol.
const PathCopy = "/v1/copy"

// "look": the agent answers with one CopyAnswer line, which says whether Path is a
// directory.

// The verbs of a CopyRequest.
const (
	CopyPut  = "put"
	CopyGet  = "get"
	CopyLook = "look"
)

// ListedPart is the mode of a TreeListed that is the beginning of a file whose
// time is the one listed.
const ListedPart = 1

// CopyRequest begins a copy. Relative paths begin in root's home.
type CopyRequest struct {
	Verb string `json:"verb"`
	// Paths are what get reads: "DIR/." means what is in DIR.
	Paths []string `json:"paths,omitempty"`
	// Count asks get for how much there is, which costs a walk of the tree.
	Count bool `json:"count,omitempty"`

	// Path is where put writes: into it, when it is a directory.
	Path string `json:"path,omitempty"`
	// Sources are the things that put copies, as Paths are for get: more than one
	// need a directory.
	Sources []string `json:"sources,omitempty"`
	// SetID keeps set-user-ID, set-group-ID and sticky bits.
	SetID bool `json:"set_id,omitempty"`
	// Resume skips the files that the writer has already, with the same size and
	// time, and goes on with the one that a copy with Resume was interrupted in.
	// Who writes the files sends a tree first, in which a TreeTop for each source is
	// followed by a TreeListed for each file: see ListedPart.
	Resume bool `json:"resume,omitempty"`
}

// MaxCopyPaths bounds what one get reads.
const MaxCopyPaths = 4096

// CopyAnswer is the agent's answer. Code is empty for success, else one of
// banger's codes of errors.
type CopyAnswer struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// NoDirectory says that the directory is missing in which put was to write.
	NoDirectory bool `json:"no_directory,omitempty"`
	// Directory is look's answer.
	Directory bool `json:"directory,omitempty"`
	// Bytes is what get was asked to count.
	Bytes int64 `json:"bytes,omitempty"`
}
