package image

// The stages that operations on images report, as clients see them.
const (
	stageCatalog = "catalog" // find the name in a catalog
	stageResolve = "resolve" // find what a reference points at
	stageCheck   = "check"   // look at the user's own files
	stageVerify  = "verify"  // read a filesystem to see whether it has changed
	stageCopy    = "copy"
	stageLayer   = "layer"  // keep what a VM has beside its image
	stageCommit  = "commit" // make the image visible

	// Those of a Content: layers are read and verified, then the filesystem is made of
	// them; or a VM's files are read for it.
	StageFetch  = "fetch"
	StageUnpack = "unpack"
	StageRead   = "read"
)
