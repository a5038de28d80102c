package fault

import "github.com/bangervm/banger/internal/plain"

// MaxText bounds a message or a hint that is stored or sent, in bytes. An image, a
// registry or a guest may have chosen what is in it.
const MaxText = 4 << 10

// Clip cuts a text that is longer than MaxText between two characters.
func Clip(text string) string { return plain.Clip(text, MaxText) }
