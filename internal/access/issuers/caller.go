package issuers

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

// settings are what the administrator said of an issuer.
type settings struct {
	name        string // in the audit
	issuer      string // in its tokens
	audience    string // "" for any
	skew        time.Duration
	rolesClaim  []string               // path; "*" is every key
	roles       map[string]access.Role // its roles → ours
	sourceClaim []string
	sources     map[string]string // value of sourceClaim → source; nil: the value is the source
	mobileClaim []string
}

// precedence orders the roles where a token has several: the first one counts.
func precedence() []access.Role {
	return []access.Role{access.SystemAdmin, access.SourceRole, access.Auditor, access.Recipient}
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
func (i *settings) caller(c *claims, all map[string]any) (access.Caller, error) {
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
			return no("it does not say for which source it acts (" + strings.Join(i.sourceClaim, ".") + ")")
		}
	case access.SystemAdmin, access.Auditor:
		by.Source = access.AdminDoor
	case access.Recipient:
		if by.Mobile = text(all, i.mobileClaim); by.Mobile == "" {
			return no("it does not say which mobile number its bearer has (" + strings.Join(i.mobileClaim, ".") + ")")
		}
	default:
		return no("none of its roles (" + strings.Join(i.rolesClaim, ".") + ") means anything here")
	}
	return by, nil
}

// role is the role of ours that a token gives, "" for none.
func (i *settings) role(all map[string]any) access.Role {
	given := map[access.Role]bool{}
	for _, v := range at(all, i.rolesClaim) {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, r := range list {
			if name, ok := r.(string); ok {
				given[i.roles[name]] = true
			}
		}
	}
	if k := slices.IndexFunc(precedence(), func(r access.Role) bool { return given[r] }); k >= 0 {
		return precedence()[k]
	}
	return ""
}

// source is the source a token acts for, "" for none.
func (i *settings) source(all map[string]any) string {
	value := text(all, i.sourceClaim)
	if i.sources != nil {
		return i.sources[value]
	}
	value = strings.ToLower(value)
	if access.CheckSource(value) != nil {
		return ""
	}
	return value
}

// text is the one text at a path, "" where there is none, several, or something
// else. Keycloak gives an attribute of several values as a list.
func text(all map[string]any, path []string) string {
	values := at(all, path)
	if len(values) != 1 {
		return ""
	}
	value := values[0]
	if list, ok := value.([]any); ok && len(list) == 1 {
		value = list[0]
	}
	s, _ := value.(string)
	return strings.TrimSpace(s)
}

// at returns what stands at a path of keys, of which "*" is every one.
func at(v any, path []string) []any {
	if len(path) == 0 {
		return []any{v}
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	if path[0] != "*" {
		inner, ok := object[path[0]]
		if !ok {
			return nil
		}
		return at(inner, path[1:])
	}
	var out []any
	for _, inner := range object {
		out = append(out, at(inner, path[1:])...)
	}
	return out
}
