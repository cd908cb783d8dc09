// Package access says who may do what. Callers come by API token; every act
// they may do is one line in one table ([Caller.May]), and every act that
// touches a person's record is an audit entry written with it.
package access

import (
	"fmt"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

// Role is what a caller is.
type Role string

// The roles. A token of ours is for one of [Roles]; Recipient comes only from an
// identity provider, Citizen only from a code sent to the person.
const (
	SystemAdmin    Role = "system-admin"    // runs the country's system
	ProgrammeAdmin Role = "programme-admin" // runs its programmes: records, corrections, sources, messages; no keys, no staff
	FacilityAdmin  Role = "facility-admin"  // runs one facility's desk and its staff
	FacilityStaff  Role = "facility-staff"  // works at a facility's print desk
	Auditor        Role = "auditor"         // reads the audit, no person's record
	SourceRole     Role = "source"          // an API client that delivers events
	Recipient      Role = "recipient"       // a person, by the mobile number an identity provider vouches for
	Citizen        Role = "citizen"         // a person, by a code sent to a number or address on record
)

// Permission is one kind of act.
type Permission string

// The permissions.
const (
	Certify   Permission = "certify"   // deliver an event that becomes a certificate
	Correct   Permission = "correct"   // issue a new version
	Revoke    Permission = "revoke"    // revoke
	Reissue   Permission = "reissue"   // issue again what was revoked
	Read      Permission = "read"      // see a certificate
	ReadMine  Permission = "readMine"  // see the certificates that are reached by one's own mobile number
	ReadAudit Permission = "readAudit" // see the audit

	ManageSources Permission = "manageSources" // create, test, pause and change sources
	DecideHolds   Permission = "decideHolds"   // see what is held, and decide about it
	MergePeople   Permission = "mergePeople"   // say which people are one, see and end such links

	SearchPeople     Permission = "searchPeople"     // find a person's certificates by what they know of themselves
	Print            Permission = "print"            // open, print and hand over a certificate at a desk
	RegisterDose     Permission = "registerDose"     // write down a dose by form, where the country has no other system
	OpenCase         Permission = "openCase"         // ask for a correction, with evidence; a citizen for the records they opened
	DecideCases      Permission = "decideCases"      // see such requests and decide about them
	WithdrawMany     Permission = "withdrawMany"     // ask for, or approve, withdrawing many certificates at once
	ManageProgrammes Permission = "manageProgrammes" // programmes, products, facilities, layouts and languages
	ManageMessages   Permission = "manageMessages"   // templates, outbox, campaigns
	ManageStaff      Permission = "manageStaff"      // staff and their roles
	ManageKeys       Permission = "manageKeys"       // keys and trust
	ManageSettings   Permission = "manageSettings"   // what is set for the whole system
	ReadStatistics   Permission = "readStatistics"   // counts, no records
	ErasePerson      Permission = "erasePerson"      // export or erase everything held on one person
)

// scope says whose records a permission reaches.
type scope int

const (
	nobody scope = iota
	own          // what the caller's source delivered
	anybody
)

// table is the whole law of who may do what. What is not in it is refused.
func table() map[Role]map[Permission]scope {
	return map[Role]map[Permission]scope{
		SystemAdmin: {
			Certify: anybody, Correct: anybody, Revoke: anybody, Reissue: anybody, Read: anybody, ReadAudit: anybody,
			ManageSources: anybody, DecideHolds: anybody, MergePeople: anybody,
			SearchPeople: anybody, Print: anybody, RegisterDose: anybody, OpenCase: anybody, DecideCases: anybody, WithdrawMany: anybody,
			ManageProgrammes: anybody, ManageMessages: anybody, ManageStaff: anybody, ManageKeys: anybody, ManageSettings: anybody,
			ReadStatistics: anybody, ErasePerson: anybody,
		},
		ProgrammeAdmin: {
			Correct: anybody, Revoke: anybody, Reissue: anybody, Read: anybody,
			ManageSources: anybody, DecideHolds: anybody, MergePeople: anybody,
			SearchPeople: anybody, Print: anybody, OpenCase: anybody, DecideCases: anybody, WithdrawMany: anybody,
			ManageProgrammes: anybody, ManageMessages: anybody, ReadStatistics: anybody,
		},
		FacilityAdmin: {SearchPeople: anybody, Print: anybody, RegisterDose: own, OpenCase: anybody, ManageStaff: own, ReadStatistics: own},
		FacilityStaff: {SearchPeople: anybody, Print: anybody, RegisterDose: own, OpenCase: anybody},
		Auditor:       {ReadAudit: anybody, ReadStatistics: anybody},
		SourceRole:    {Certify: own, Correct: own, Revoke: own, Read: own},
		Recipient:     {ReadMine: own},
		Citizen:       {ReadMine: own, OpenCase: own},
	}
}

// Roles lists the roles a token of ours can be made for.
func Roles() []Role { return []Role{SystemAdmin, Auditor, SourceRole, FacilityStaff} }

// Caller is somebody who has been recognised. The zero Caller may do nothing.
type Caller struct {
	// Actor names the caller in the audit: "staff:7", "token:7 commcare", or
	// "token:7/staff:3 tool" for a token that is a member of staff's own. It is never
	// a person's data.
	Actor string
	Role  Role
	// Source is the system whose events the caller delivers. For an
	// administrator it names the door used ("admin").
	Source string
	// Mobile is a [Recipient]'s number as the identity provider gave it; it goes
	// nowhere but into the search for their certificates.
	Mobile string
	// Facility is the code of the facility a member of staff works at, empty for
	// those who work at none.
	Facility string
	// Programme is the key of the one programme that the caller may reach, empty
	// for every one.
	Programme string
	// AtMachine: who sits at the machine acts in this member's name, and may do so in
	// any other's too.
	AtMachine bool
}

// In reports whether c may reach what belongs to a programme. What it may not
// reach looks like what does not exist.
func (c Caller) In(programme string) bool { return c.Programme == "" || c.Programme == programme }

// CanWhole is [Caller.Can] for what is not told apart by programme: files,
// deliveries of whole systems. A caller that is bound to one may not do it.
func (c Caller) CanWhole(p Permission) error {
	if err := c.Can(p); err != nil || c.Programme == "" {
		return err
	}
	return vaccination.Errorf(vaccination.Forbidden, "a token for one programme delivers and reads single events; files and systems need a token without --programme")
}

// At reports whether c may do p to what belongs to a facility.
func (c Caller) At(p Permission, facility string) bool {
	switch table()[c.Role][p] {
	case anybody:
		return true
	case own:
		return c.Facility != "" && c.Facility == facility
	default:
		return false
	}
}

// System is the caller for what the program does by itself, and for the CLI on
// the machine that holds the keys.
func System(door string) Caller {
	return Caller{Actor: systemDoor + ":" + door, Role: SystemAdmin, Source: door}
}

// Can reports whether c has the permission p for some records at all.
func (c Caller) Can(p Permission) error {
	if table()[c.Role][p] == nobody {
		return vaccination.Errorf(vaccination.Forbidden, "your role may not do this (%s)", p)
	}
	return nil
}

// Owns reports whether c may do p to a record that source delivered. A record
// that is not c's own looks like one that does not exist: callers answer
// [vaccination.NotFound].
func (c Caller) Owns(p Permission, source string) bool {
	switch table()[c.Role][p] {
	case anybody:
		return true
	case own:
		return c.Source != "" && c.Source == source
	default:
		return false
	}
}

// First refuses c ([vaccination.Forbidden]) as the first of two people where nobody
// knows who it is: the machine itself, and tokens that are nobody's own. Whoever has
// one has another name at another door, and would be the second too.
func (c Caller) First() error {
	switch {
	case c.machine():
		return vaccination.Errorf(vaccination.Forbidden, "two people answer for this: say who asks with --as, or ask on the pages or by API")
	case c.nobodys():
		return vaccination.Errorf(vaccination.Forbidden, "two people answer for this, and this token is nobody's own: have one made for you (divoc token create --as), or ask on the pages")
	}
	return nil
}

// Second reports whether c can be the second of two people after first, who is
// named as in the audit: another member of staff, whichever door each came by; or
// somebody else at the same door where no members are known, an identity provider's
// tokens. At another door one person has another name, and a token that is nobody's
// own, or who sits at the machine, in whosever name, is nobody that others can be
// told from.
func (c Caller) Second(first string) bool {
	a, b := member(first), member(c.Actor)
	if c.AtMachine {
		return false
	}
	if a != "" && b != "" {
		return a != b
	}
	before := Caller{Actor: first}
	return a == "" && b == "" && c.Actor != "" && c.Actor != first && before.door() == c.door() && !c.machine() && !c.nobodys()
}

// machine reports whether c is what the program does by itself, or the CLI.
func (c Caller) machine() bool { return c.door() == systemDoor }

// nobodys reports whether c came by a token that is no member of staff's own.
func (c Caller) nobodys() bool { return c.door() == tokenDoor && member(c.Actor) == "" }

// door is how c came in.
func (c Caller) door() string {
	door, _, _ := strings.Cut(c.Actor, ":")
	return door
}

// The doors by which members of staff, tokens and the program itself come in.
const (
	staffDoor  = "staff"
	tokenDoor  = "token"
	systemDoor = "system"
)

// Doors are the names by which the audit tells callers apart. Nobody else may be
// called so.
func Doors() []string {
	return []string{staffDoor, tokenDoor, systemDoor, "citizen", "intake", "nobody"}
}

// tokenActor names the bearer of a token in the audit; owner is "" for one that is
// nobody's own. What stands behind the first space is its name, which may be anything.
func tokenActor(id int64, owner, name string) string {
	if owner != "" {
		owner = "/" + owner
	}
	return fmt.Sprintf("%s:%d%s %s", tokenDoor, id, owner, name)
}

// member is the member of staff that an actor of the audit is, "" where that is
// nobody or not known.
func member(actor string) string {
	actor, _, _ = strings.Cut(actor, " ")
	if rest, ok := strings.CutPrefix(actor, tokenDoor+":"); ok {
		_, actor, _ = strings.Cut(rest, "/")
	}
	if !strings.HasPrefix(actor, staffDoor+":") {
		return ""
	}
	return actor
}
