package catalog

import _ "embed"

//go:embed catalog.json
var builtin []byte

// Builtin is the catalog.json of this build.
func Builtin() []byte { return builtin }
