package issuers

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/claims"
	"github.com/opendivoc/divoc/vaccination"
)

// settings are what the administrator said of an issuer.
type settings struct {
	name        string // in the audit
	issuer      string // in its tokens
	audience    string // "" for any
	skew        time.Duration
	rolesClaim  claims.Path
	roles       map[string]access.Role // its roles → ours
	sourceClaim claims.Path
	sources     map[string]string // value of sourceClaim → source; nil: the value is the source
	mobileClaim claims.Path
	// facilityClaim says where staff of a facility work, facilities what that is
	// here; nil: the value is the facility's code.
	facilityClaim claims.Path
	facilities    map[string]string
}

// precedence orders the roles where a token has several: the first one counts.
func precedence() []access.Role {
	return []access.Role{access.SystemAdmin, access.SourceRole, access.FacilityAdmin, access.FacilityStaff, access.Auditor, access.Recipient}
}

// subject is what may stand in the audit for a token's bearer, and uuid is what
// Keycloak gives. A mail address has other characters than a subject; seven
// digits in a row may be a telephone number.
var (
	subject = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:|-]{0,99}$`)
	uuid    = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	number  = regexp.MustCompile(`[0-9]([._-]?[0-9]){6}`)
)

// caller turns what an issuer says into a caller of ours.
func (i *settings) caller(c *said, all map[string]any) (access.Caller, error) {
	no := func(why string) (access.Caller, error) {
		return access.Caller{}, vaccination.Errorf(vaccination.Forbidden, "this token is genuine but may do nothing here: %s", why)
	}
	if !uuid.MatchString(c.Subject) && (!subject.MatchString(c.Subject) || number.MatchString(c.Subject)) {
		return no("its subject (sub) is not there, or may be a telephone number or mail address, which the audit must not keep")
	}
	by := access.Caller{Actor: i.name + ":" + c.Subject, Role: i.role(all)}
	switch by.Role {
	case access.SourceRole:
		if by.Source = i.source(all); by.Source == "" {
			return no("it does not say for which source it acts (" + i.sourceClaim.String() + ")")
		}
	case access.SystemAdmin, access.Auditor:
		by.Source = access.AdminDoor
	case access.FacilityAdmin, access.FacilityStaff:
		if by.Facility = i.facility(all); by.Facility == "" {
			return no("it does not say at which facility its bearer works (" + i.facilityClaim.String() + ")")
		}
	case access.Recipient:
		if by.Mobile = i.mobileClaim.Text(all); by.Mobile == "" {
			return no("it does not say which mobile number its bearer has (" + i.mobileClaim.String() + ")")
		}
	default:
		return no("none of its roles (" + i.rolesClaim.String() + ") means anything here")
	}
	return by, nil
}

// role is the role of ours that a token gives, "" for none.
func (i *settings) role(all map[string]any) access.Role {
	given := map[access.Role]bool{}
	for _, name := range i.rolesClaim.Texts(all) {
		given[i.roles[name]] = true
	}
	if k := slices.IndexFunc(precedence(), func(r access.Role) bool { return given[r] }); k >= 0 {
		return precedence()[k]
	}
	return ""
}

// source is the source a token acts for, "" for none.
func (i *settings) source(all map[string]any) string {
	value := i.sourceClaim.Text(all)
	if i.sources != nil {
		return i.sources[value]
	}
	value = strings.ToLower(value)
	if access.CheckSource(value) != nil {
		return ""
	}
	return value
}

// facility is the code of the facility a token's bearer works at, "" for none.
func (i *settings) facility(all map[string]any) string {
	value := i.facilityClaim.Text(all)
	if i.facilities != nil {
		return i.facilities[value]
	}
	return value
}
