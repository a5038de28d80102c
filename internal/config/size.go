package config

import (
	"math"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// Size is a number of bytes. In text it is a whole or decimal number and a
// binary unit: "2GiB", "2G", "512M", "1.5g", "1048576". K, M, G and T are powers
// of 1024, with or without "iB" or "B".
type Size int64

// ParseSize reads a size. Invalid names the text. The result may be zero or
// negative: what range makes sense is the caller's to say.
func ParseSize(text string) (Size, error) {
	s := strings.ToUpper(strings.TrimSpace(text))
	s = strings.TrimSuffix(strings.TrimSuffix(s, "B"), "I")
	shift := 0
	if n := len(s); n > 0 {
		if i := strings.IndexByte("KMGT", s[n-1]); i >= 0 {
			shift, s = 10*(i+1), strings.TrimSpace(s[:n-1])
		}
	}
	bad := fault.New(fault.Invalid, "%q is not a size", text).WithHint("write it as 512MiB, 2GiB or 8G")
	if strings.HasSuffix(strings.ToUpper(strings.TrimSpace(text)), "I") {
		return 0, bad
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n > math.MaxInt64>>shift || n < math.MinInt64>>shift {
			return 0, fault.New(fault.Invalid, "size %q is too large", text)
		}
		return Size(n << shift), nil
	}
	if strings.Trim(s, "+-.0123456789") != "" {
		return 0, bad
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, bad
	}
	f *= float64(int64(1) << shift)
	if math.Abs(f) >= math.MaxInt64 {
		return 0, fault.New(fault.Invalid, "size %q is too large", text)
	}
	return Size(math.Round(f)), nil
}

// String writes the size as users do, by fault.Scale: "2GiB", "1.5GiB", "17B".
func (s Size) String() string {
	number, unit := fault.Scale(int64(s))
	return number + unit
}

// MarshalText writes the size so that UnmarshalText reads the same number of
// bytes back, whatever String rounds away.
func (s Size) MarshalText() ([]byte, error) {
	text := s.String()
	if back, err := ParseSize(text); err == nil && back == s {
		return []byte(text), nil
	}
	return strconv.AppendInt(nil, int64(s), 10), nil
}

// UnmarshalText is ParseSize.
func (s *Size) UnmarshalText(text []byte) error {
	parsed, err := ParseSize(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}
