package vm

// SetNames replaces the maker of names.
func SetNames(s *Service, names func() string) { s.nameless = names }

// CompleteForward validates a forward.
func CompleteForward(f Forward) (Forward, error) { return f.complete() }
