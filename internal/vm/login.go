package vm

import "regexp"

// loginName is a user name that SSH clients and shells take as it is.
var loginName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$`)

// LoginName is as whom an SSH client logs in, for its commands to run as those of
// exec do. A user that no SSH client can name is root.
func (v VM) LoginName() string {
	if !loginName.MatchString(v.User) {
		return "root"
	}
	return v.User
}
