package signin

import (
	"net/url"
	"strings"

	"github.com/opendivoc/divoc/internal/web/page"
)

// input is one field of a form.
type input struct {
	ID, Label, Hint, Value string
	Type                   string // "text" where empty
	Mode, Complete, Width  string
}

func (i input) kind() string {
	if i.Type == "" {
		return "text"
	}
	return i.Type
}

// described names what a screen reader says with the field.
func (i input) described(faults []page.Fault) string {
	var ids []string
	if i.Hint != "" {
		ids = append(ids, i.ID+"-hint")
	}
	if page.Message(faults, i.ID) != "" {
		ids = append(ids, i.ID+"-error")
	}
	return strings.Join(ids, " ")
}

// browserName is what a list calls a browser.
func browserName(v page.View, kind string) string {
	if kind == "" {
		return v.T("account.sessions.unknown")
	}
	return kind
}

// againAbroad asks the identity provider for another proof.
func againAbroad(to string) string {
	q := url.Values{"again": {"1"}}
	if to != "" {
		q.Set("to", to)
	}
	return Path + "/provider?" + q.Encode()
}
