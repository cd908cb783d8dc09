package main

import (
	"github.com/opendivoc/divoc/internal/access"
)

// onMachine is who works on the machine itself, as the audit names them.
func onMachine() access.Caller { return access.System("cli") }

// as returns the caller for an act that somebody who sits at the machine does as
// a member of staff, so that somebody else can be the second of two people. That
// it was done here is in the audit, too.
func (h *house) as(s streams, member int64, act string) (access.Caller, error) {
	people, err := h.staff(0)
	if err != nil {
		return access.Caller{}, err
	}
	return people.OnMachine(s.ctx, onMachine(), member, act)
}
