package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"path"
	"strings"

	"aead.dev/minisign"

	"github.com/bangervm/banger/internal/fault"
)

// Source is a catalog that the user added, and what makes it trusted.
type Source struct {
	URL string // https: or file:
	// Key is a minisign public key (one line of base64), whose signature is at
	// URL + ".minisig"; SHA256 is the hash of the catalog itself, in hex. There is
	// one of both.
	Key, SHA256 string
}

// Validate returns a fault Invalid when the source cannot be used.
func (s Source) Validate() error {
	if err := CheckURL(s.URL); err != nil {
		return err
	}
	switch {
	case s.Key == "" && s.SHA256 == "":
		return fault.New(fault.Invalid, "the catalog %s has neither key nor sha256", s.URL).
			WithHint("add the publisher's minisign key, or the sha256 of the file")
	case s.Key != "" && s.SHA256 != "":
		return fault.New(fault.Invalid, "the catalog %s has both key and sha256", s.URL).WithHint("keep one of them")
	case s.Key != "":
		_, err := s.key()
		return err
	case !ValidSHA256(s.SHA256):
		return fault.New(fault.Invalid, "%q is not a sha256", s.SHA256).WithHint("64 lower-case hex digits, as sha256sum prints them")
	}
	return nil
}

func (s Source) key() (minisign.PublicKey, error) {
	var key minisign.PublicKey
	if err := key.UnmarshalText([]byte(s.Key)); err != nil || strings.ContainsAny(s.Key, "\r\n") {
		return key, fault.New(fault.Invalid, "%q is not a minisign public key", s.Key).
			WithHint("it is the second line of minisign.pub, and begins with RW")
	}
	return key, nil
}

// ID is what the source's copy is kept under: 32 hex digits. Another key or hash
// starts again.
func (s Source) ID() string {
	sum := sha256.Sum256([]byte(s.URL + "\n" + s.Key + "\n" + s.SHA256))
	return hex.EncodeToString(sum[:16])
}

// SignatureURL is where the signature of a source with a key is.
func (s Source) SignatureURL() string {
	u, err := url.Parse(s.URL)
	if err != nil { // Validate refuses it
		return s.URL + ".minisig"
	}
	u.Path, u.RawPath = u.Path+".minisig", ""
	return u.String()
}

// Verify returns in words what makes data the source's catalog: a signature or
// its hash. What is not is Invalid.
func (s Source) Verify(data, signature []byte) (trust string, err error) {
	if s.Key == "" {
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != s.SHA256 {
			return "", fault.New(fault.Invalid, "the catalog %s has the sha256 %x, not %s", s.URL, sum, s.SHA256).
				WithHint("if its publisher changed it on purpose, put the new sha256 into config.toml")
		}
		return "its sha256 is in config.toml", nil
	}
	key, err := s.key()
	if err != nil {
		return "", err
	}
	if len(signature) > MaxSignatureBytes || !minisign.Verify(key, data, signature) {
		return "", fault.New(fault.Invalid, "the signature of the catalog %s is not by the key %s", s.URL, s.Key).
			WithHint("if its publisher changed the key, put the new one into config.toml")
	}
	return "signed by the minisign key " + s.Key + ", which is in config.toml", nil
}

// ValidSHA256 reports whether s is 64 lower-case hex digits.
func ValidSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// CheckURL refuses what is not an https: or file: URL that banger may fetch.
func CheckURL(text string) error {
	const most = 2048
	u, err := url.Parse(text)
	bad := func(why string) error {
		return fault.New(fault.Invalid, "%q is not a URL to fetch from: %s", text, why).WithHint("https://HOST/PATH or file:///PATH")
	}
	switch {
	case err != nil || len(text) > most || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return bad("it cannot be parsed")
	case u.User != nil:
		return bad("it has a user name")
	case u.Fragment != "" || u.Opaque != "":
		return bad("it has parts that a file's URL cannot have")
	case u.Scheme == "https" && u.Hostname() != "":
		return nil
	case u.Scheme == "file" && u.Host == "" && u.RawQuery == "" && path.IsAbs(u.Path) && !strings.ContainsRune(u.Path, 0):
		return nil
	case u.Scheme == "https" || u.Scheme == "file":
		return bad("it is incomplete")
	}
	return bad("its scheme is neither https nor file")
}

// Resolve returns the URL of what a catalog names: ref itself, or ref relative to
// the catalog's own URL. A catalog from the network may not name a file.
func Resolve(from, ref string) (string, error) {
	base, err := url.Parse(from)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "%q", from)
	}
	u, err := base.Parse(ref)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "%q", ref)
	}
	if err := CheckURL(u.String()); err != nil {
		return "", err
	}
	if u.Scheme == "file" && base.Scheme != "file" {
		return "", fault.New(fault.Invalid, "%q is a file of this host, but the catalog is not", ref)
	}
	return u.String(), nil
}
