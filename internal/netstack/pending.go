package netstack

// What is here holds the place of the packages dns and sniff until they are
// there: no name is answered, so no rule by name allows anything.

const maxPrefix = 16 << 10

const sniffOther = 0

type sniffed struct {
	Kind int
	Name string
}

func sniffHost([]byte) (sniffed, bool) { return sniffed{}, false }
