package gitrepo_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets the property tests look at another place each time, except in
// continuous integration ($CI), where a change is to be judged by what it
// changes; -rapid.seed names a place.
func TestMain(m *testing.M) {
	flag.Parse()
	given := os.Getenv("CI") == ""
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.seed" })
	if !given {
		if err := flag.Set("rapid.seed", "1"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
