package vm

// SetNames replaces the maker of names.
func SetNames(s *Service, names func() string) { s.nameless = names }

// CompleteForward validates a forward.
func CompleteForward(f Forward) (Forward, error) { return f.complete() }

// LookForEnds has the Service look for egress rules that ended.
func LookForEnds(s *Service) { s.retimed <- struct{}{} }
