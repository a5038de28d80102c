package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// verifier passes bytes on and, at their end, holds them against what was
// promised. A mismatch is a fault Invalid in place of io.EOF.
type verifier struct {
	r      io.Reader
	what   string
	hash   hash.Hash
	n      int64
	size   int64  // promised; negative: not known
	digest string // promised; empty: not known
	count  func(n int64)
	err    error
}

func newVerifier(r io.Reader, what, digest string, size int64, count func(int64)) *verifier {
	return &verifier{r: r, what: what, hash: sha256.New(), size: size, digest: digest, count: count}
}

func (v *verifier) Read(b []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.r.Read(b)
	v.n += int64(n)
	_, _ = v.hash.Write(b[:n])
	if v.count != nil {
		v.count(int64(n))
	}
	switch {
	case v.size >= 0 && v.n > v.size:
		v.err = mismatch("%s has more than the %d bytes that its manifest says", v.what, v.size)
		return 0, v.err
	case errors.Is(err, io.EOF):
		v.err = v.check()
		return n, v.err
	}
	v.err = err
	return n, err
}

func (v *verifier) check() error {
	if v.size >= 0 && v.n != v.size {
		return mismatch("%s is truncated: it has %d bytes, its manifest says %d", v.what, v.n, v.size)
	}
	if got := v.sum(); v.digest != "" && got != v.digest {
		return mismatch("%s has the wrong digest: got %s, want %s", v.what, got, v.digest)
	}
	return io.EOF
}

func (v *verifier) sum() string { return sum(v.hash) }

func sum(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

func digestOf(data []byte) string {
	h := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(h[:])
}

func short(digest string) string {
	hexed := strings.TrimPrefix(digest, "sha256:")
	return hexed[:min(12, len(hexed))]
}

// mismatchError marks bytes that are not what was promised.
type mismatchError struct{ fault *fault.Error }

func mismatch(format string, args ...any) error {
	f := fault.New(fault.Invalid, format, args...).
		WithHint("the image is damaged at its source or in transit; pull it again, or from another source")
	return &mismatchError{f}
}

func (e *mismatchError) Error() string { return e.fault.Error() }
func (e *mismatchError) Unwrap() error { return e.fault }

// readAll reads a small document: at most limit bytes, with the promised size
// and digest.
func readAll(r io.Reader, what, digest string, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fault.New(fault.Invalid, "%s has %d bytes; at most %d are read", what, size, limit)
	}
	data, err := io.ReadAll(io.LimitReader(newVerifier(r, what, digest, size, nil), limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fault.New(fault.Invalid, "%s has more than %d bytes", what, limit)
	}
	return data, nil
}
