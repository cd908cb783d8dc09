package api

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// problem is err as it is sent.
func (h *handler) problem(err error) error {
	if err == nil {
		return nil
	}
	p := door.NewProblem(h.Log, err)
	if after := door.RetryAfter(p.Status); after != "" {
		return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {after}})
	}
	return p
}

// ourProblem turns huma's own errors, which repeat what was sent, into problems
// that name the place and what is expected there.
func ourProblem(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &door.Problem{Type: "about:blank", Title: http.StatusText(e.Status), Status: e.Status, Code: string(vaccination.Invalid)}
	switch e.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		p.Detail = "the request has faults"
		if len(e.Errors) == 0 {
			p.Detail = "the body is empty: send JSON"
		}
		p.Item, p.Faults = faults(e.Errors)
	case http.StatusUnsupportedMediaType:
		p.Detail = `send JSON, with the header "Content-Type: application/json"`
	default:
		p.Code, p.Detail = string(vaccination.Internal), "the request could not be read"
	}
	return p, nil
}

var (
	itemPlace    = regexp.MustCompile(`^body\.events\[([0-9]+)\]\.?(.*)$`)
	propertyName = regexp.MustCompile(`^[A-Za-z]{1,40}$`)
)

// faults are those of the body, or, where events have faults, those of the first
// such event, as issuing reports them.
func faults(details []*huma.ErrorDetail) (item *int, list []door.Fault) {
	for _, d := range details {
		f := fault(d)
		if m := itemPlace.FindStringSubmatch(d.Location); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil || item != nil && *item != n {
				continue
			}
			item = &n
			f.Path = strings.TrimPrefix(strings.TrimPrefix(f.Path, fmt.Sprintf("events[%d]", n)), ".")
		}
		list = append(list, f)
	}
	return item, list
}

// fault is one of huma's details. A property that the schema does not have is
// named where it looks like a name: what stands there was sent.
func fault(d *huma.ErrorDetail) door.Fault {
	f := door.Fault{Path: strings.TrimPrefix(d.Location, "body."), Code: vaccination.FaultFormat, Message: d.Message}
	const missing = "expected required property "
	switch {
	case strings.HasPrefix(d.Message, missing):
		name, _, _ := strings.Cut(strings.TrimPrefix(d.Message, missing), " ")
		if f.Path == "body" {
			f.Path = name
		} else {
			f.Path += "." + name
		}
		f.Code, f.Message = vaccination.FaultRequired, "this is needed"
	case d.Message == "unexpected property":
		f.Code, f.Message = "unknown", "there is no such field"
		parent, name := cutLast(f.Path)
		if !propertyName.MatchString(name) {
			f.Path, f.Message = parent, "it has a field that does not exist"
		}
	}
	return f
}

// cutLast takes the last name off a path. A name with dots or brackets in it is
// none of ours, so everything after the first such sign that no path of ours
// holds goes too.
func cutLast(path string) (parent, name string) {
	for i := 0; i < len(path); {
		n := strings.IndexAny(path[i:], ".")
		if n < 0 {
			return strings.TrimSuffix(path[:i], "."), path[i:]
		}
		if !placeName.MatchString(path[i : i+n]) {
			return strings.TrimSuffix(path[:i], "."), path[i:]
		}
		i += n + 1
	}
	return path, ""
}

var placeName = regexp.MustCompile(`^[A-Za-z]{1,40}(\[[0-9]+\])?$`)
