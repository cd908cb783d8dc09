package replay

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// asked are the parameters of a list. What has another name in this version is
// not among them: DHIS2 ignores what it does not know.
type asked struct {
	ids           []string
	after, before time.Time
	program       string
	stage         string
	deleted       bool
	filters       []filter
	newestLast    bool
}

type filter struct{ attribute, op, value string }

func (s *Server) asked(r *http.Request, events bool) (a asked, err string) {
	q := r.URL.Query()
	a = asked{program: q.Get("program"), stage: q.Get("programStage"), deleted: q.Get("includeDeleted") == "true"}
	after, before, ids, sep, order := "updatedAfter", "updatedBefore", "trackedEntities", ",", "updatedAt:asc"
	switch {
	case s.minor < 36:
		after, before, ids, sep, order = "lastUpdatedStartDate", "lastUpdatedEndDate", "trackedEntityInstance", ";", "lastUpdated:asc"
	case s.minor < 41:
		ids, sep = "trackedEntity", ";"
	}
	if events {
		ids = "trackedEntity" // one
	}
	a.newestLast = q.Get("order") == order
	if v := q.Get(ids); v != "" && !s.faults.Leak {
		a.ids = strings.Split(v, sep)
	}
	for name, into := range map[string]*time.Time{after: &a.after, before: &a.before} {
		if v := q.Get(name); v != "" {
			t, ok := s.instant(v)
			if !ok {
				return a, name + " is no date"
			}
			*into = t
		}
	}
	for _, text := range q["filter"] {
		p := splitEscaped(text)
		if len(p) != 3 {
			return a, "filter is not attribute:operator:value"
		}
		if !slices.Contains([]string{"eq", "in", "like", "sw"}, p[1]) {
			return a, "unknown operator " + p[1]
		}
		a.filters = append(a.filters, filter{p[0], p[1], p[2]})
	}
	return a, ""
}

// splitEscaped cuts a filter at its colons; "/" takes what follows as it is.
func splitEscaped(text string) []string {
	out := []string{""}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '/' && i+1 < len(text):
			i++
			out[len(out)-1] += text[i : i+1]
		case text[i] == ':' && len(out) < 3:
			out = append(out, "")
		default:
			out[len(out)-1] += text[i : i+1]
		}
	}
	return out
}

func (s *Server) instant(text string) (time.Time, bool) {
	for _, form := range []string{stampForm, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, text, s.o.Zone); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// within says whether an instant lies in the window, whose ends belong to it.
func (a asked) within(t time.Time) bool {
	return (a.after.IsZero() || !t.Before(a.after)) && (a.before.IsZero() || !t.After(a.before))
}

func (f filter) matches(value string) bool {
	v, w := strings.ToLower(value), strings.ToLower(f.value)
	switch f.op {
	case "eq":
		return v == w
	case "in":
		return slices.Contains(strings.Split(w, ";"), v)
	case "sw":
		return strings.HasPrefix(v, w)
	default:
		return strings.Contains(v, w)
	}
}

func (s *Server) listEntities(w http.ResponseWriter, r *http.Request) {
	a, wrong := s.asked(r, false)
	for _, f := range a.filters {
		if wrong == "" && !s.hasAttribute(f.attribute) {
			wrong = "attribute in filter does not exist: " + f.attribute
		}
	}
	if wrong != "" {
		refuse(w, http.StatusBadRequest, "", wrong)
		return
	}
	s.drift(r)
	var found []*entity
	for _, e := range s.entities {
		in := a.program == "" || slices.ContainsFunc(e.enrollments, func(x *enrollment) bool { return x.program == a.program })
		switch {
		case !in, e.deleted && (!a.deleted || len(a.filters) > 0), e.protected && a.program != "", !a.within(e.updated),
			a.ids != nil && !slices.Contains(a.ids, e.id),
			slices.ContainsFunc(a.filters, func(f filter) bool { return !f.matches(e.get(f.attribute)) }):
			continue
		}
		found = append(found, e)
	}
	if a.newestLast && !s.faults.Reorder {
		slices.SortStableFunc(found, func(x, y *entity) int { return x.updated.Compare(y.updated) })
	}
	f := parseFields(r.URL.Query().Get("fields"))
	row := func(i int) any { return project(s.entityJSON(found[i], a.program, a.deleted), f) }
	name := "trackedEntities"
	if s.minor < 36 {
		name = "trackedEntityInstances"
	}
	s.page(w, r, name, len(found), row)
}

func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) {
	a, wrong := s.asked(r, true)
	if wrong != "" {
		refuse(w, http.StatusBadRequest, "", wrong)
		return
	}
	s.drift(r)
	var found []*event
	for _, e := range s.entities {
		for _, x := range e.enrollments {
			for _, v := range x.events {
				if (a.program == "" || v.program == a.program) && (a.stage == "" || v.stage == a.stage) && (a.deleted || !v.deleted) &&
					a.within(v.updated) && (a.ids == nil || slices.Contains(a.ids, e.id)) && !e.protected {
					found = append(found, v)
				}
			}
		}
	}
	if a.newestLast && !s.faults.Reorder {
		slices.SortStableFunc(found, func(x, y *event) int { return x.updated.Compare(y.updated) })
	}
	f := parseFields(r.URL.Query().Get("fields"))
	s.page(w, r, "events", len(found), func(i int) any { return project(s.eventJSON(found[i]), f) })
}

func (s *Server) hasAttribute(id string) bool {
	list, _ := s.program["programTrackedEntityAttributes"].([]any)
	return slices.ContainsFunc(list, func(x any) bool {
		a, _ := x.(map[string]any)["trackedEntityAttribute"].(map[string]any)
		return a["id"] == id
	})
}

// drift moves a row to the end of its order before a second page is made.
func (s *Server) drift(r *http.Request) {
	if n, _ := strconv.Atoi(r.URL.Query().Get("page")); s.faults.Drift && n > 1 && len(s.entities) > 0 {
		oldest := s.entities[0]
		for _, e := range s.entities {
			if e.updated.Before(oldest.updated) {
				oldest = e
			}
		}
		oldest.updated = s.tick()
	}
}

// page answers with one page of rows in this version's form.
func (s *Server) page(w http.ResponseWriter, r *http.Request, name string, n int, row func(i int) any) {
	q := r.URL.Query()
	size, number := 50, 1
	if v := q.Get("pageSize"); v != "" {
		size, _ = strconv.Atoi(v)
	}
	if v := q.Get("page"); v != "" {
		number, _ = strconv.Atoi(v)
	}
	if size < 1 || number < 1 {
		refuse(w, http.StatusBadRequest, "", "page and pageSize are at least 1")
		return
	}
	if size > s.o.MaxPage {
		refuse(w, http.StatusConflict, "E1003", "pageSize is above KeyTrackedEntityMaxLimit "+strconv.Itoa(s.o.MaxPage))
		return
	}
	total := n
	if s.faults.Duplicate {
		total = 2 * n
	}
	from, to := 0, total
	if q.Get("paging") != "false" && q.Get("skipPaging") != "true" {
		from = min((number-1)*size, total)
		to = min(from+size, total)
	}
	rows := []any{}
	for i := from; i < to; i++ {
		rows = append(rows, row(i%n))
	}
	pager := map[string]any{"page": number, "pageSize": size}
	if q.Get("totalPages") == "true" {
		pager["total"] = total
	}
	switch {
	case s.minor < 36 || name == "organisationUnits":
		answer(w, http.StatusOK, map[string]any{"pager": pager, name: rows})
	case s.minor < 41:
		answer(w, http.StatusOK, map[string]any{"page": number, "pageSize": size, "instances": rows})
	case s.minor == 41:
		answer(w, http.StatusOK, map[string]any{"pager": pager, "page": number, "pageSize": size, name: rows})
	default:
		answer(w, http.StatusOK, map[string]any{"pager": pager, name: rows})
	}
}

func (s *Server) oneEntity(w http.ResponseWriter, r *http.Request) {
	program := r.URL.Query().Get("program")
	for _, e := range s.entities {
		if e.id != r.PathValue("id") || e.deleted {
			continue
		}
		if e.protected && program != "" {
			if s.minor < 40 {
				refuse(w, http.StatusUnauthorized, "", "OWNERSHIP_ACCESS_DENIED")
			} else {
				refuse(w, http.StatusForbidden, "E1006", "OWNERSHIP_ACCESS_DENIED")
			}
			return
		}
		answer(w, http.StatusOK, project(s.entityJSON(e, program, false), parseFields(r.URL.Query().Get("fields"))))
		return
	}
	refuse(w, http.StatusNotFound, "E1005", "TrackedEntity with id "+r.PathValue("id")+" could not be found.")
}
