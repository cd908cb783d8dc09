package admin

import (
	"fmt"
	"strconv"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/statistics"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/page"
	"github.com/opendivoc/divoc/vaccination"
)

// today adds the page of what happened.
func (h *handler) today(mux door.Mux) {
	h.page(mux, "GET ", access.ReadStatistics, h.showToday)
}

// shownLines is how many products, places and sources the page lists; the file has
// all of them.
const shownLines = 20

func (h *handler) showToday(a *asked) (*body, error) {
	q := a.URL.Query()
	start, days := h.Now(), 1
	if day, err := time.ParseInLocation(time.DateOnly, q.Get("day"), h.Statistics.Zone); err == nil {
		start = day
	}
	if n, err := strconv.Atoi(q.Get("days")); err == nil && n >= 1 && n <= statistics.MaxDays {
		days = n
	}
	since, until := h.Statistics.Today(start)
	if days > 1 {
		since = until.AddDate(0, 0, -days)
	}
	r, err := h.Statistics.Report(a.Context(), a.by, statistics.Asked{Since: since, Until: until, Programme: q.Get("programme")})
	if err != nil {
		return nil, err
	}
	lists := h.todayTables(a, r, days)
	if a.wantsFile() {
		for _, l := range lists {
			if l.name == q.Get("of") {
				return a.file(l.name+"-"+since.Format(time.DateOnly), l.table)
			}
		}
		return nil, vaccination.Errorf(vaccination.NotFound, "there is no such table")
	}
	title := a.v.T("admin.today.title")
	if now, _ := h.Statistics.Today(h.Now()); days > 1 || !since.Equal(now) {
		title = a.v.T("admin.today.of", "day", a.v.Date(vaccination.DateOf(since)))
	}
	b := &body{Title: title, Blocks: []block{
		{Form: h.todayFilter(a, start, days)},
		{Lines: h.totals(a, r)},
		{Text: a.v.T("admin.today.at", "time", a.v.Time(r.At))},
	}}
	for _, l := range lists {
		if len(l.chart.Points) > 0 {
			b.Blocks = append(b.Blocks, block{Heading: l.chart.Title, Chart: &l.chart})
		}
		all := len(l.table.Rows)
		if l.name != "hours" && all > shownLines {
			l.table.Rows = l.table.Rows[:shownLines]
			l.table.Caption = a.v.T("admin.today.first", "table", l.table.Caption, "n", strconv.Itoa(shownLines), "all", strconv.Itoa(all))
		}
		l.table.CSV = a.fileURL("of", l.name)
		b.Blocks = append(b.Blocks, block{Table: l.table})
	}
	return b, nil
}

func (h *handler) totals(a *asked, r *statistics.Report) []line {
	var out []line
	for _, kind := range statistics.Kinds() {
		out = append(out, line{a.v.T("admin.count." + kind), number(r.Totals[kind])})
	}
	return out
}

func (h *handler) todayFilter(a *asked, day time.Time, days int) *formBlock {
	programmes := []option{{Value: "", Text: a.v.T("admin.all")}}
	for _, key := range h.Service.Profile.ProgrammeKeys() {
		programmes = append(programmes, option{Value: key, Text: h.Service.Profile.ProgrammeName(key, h.Frame.Locale(a.Request).Tag)})
	}
	var spans []option
	for _, n := range []int{1, 7, 31, 92} {
		spans = append(spans, option{Value: strconv.Itoa(n), Text: spanText(a, n)})
	}
	on := field{Kind: "text", Input: page.Input{ID: "day", Label: a.v.T("admin.today.day"), Value: day.In(h.Statistics.Zone).Format(time.DateOnly), Type: "date", Width: "govuk-input--width-10"}}
	return &formBlock{Action: Path, Get: true, Inline: true, Submit: a.v.T("admin.show"), Fields: []field{
		on, a.selectField("days", "today.days", strconv.Itoa(days), spans), a.selectField("programme", "programme", a.URL.Query().Get("programme"), programmes),
	}}
}

// listed is one of the page's tables with its chart.
type listed struct {
	name  string
	table *table
	chart chart
}

func (h *handler) todayTables(a *asked, r *statistics.Report, days int) []listed {
	hours := listed{name: "hours", table: h.countTable(a, "hours", "admin.today.hour"), chart: chart{Title: a.v.T("admin.today.byHour")}}
	if days > 1 {
		hours.chart.Title = a.v.T("admin.today.byDay")
	}
	for _, p := range periods(r, days) {
		hours.table.Rows = append(hours.table.Rows, countRow(text(p.name), p.n))
		hours.chart.Points = append(hours.chart.Points, point{p.label, p.n[registry.CountIssued]})
	}
	out := []listed{hours}
	for _, l := range []struct {
		name  string
		lines []statistics.Line
	}{{"facilities", r.Facilities}, {"products", r.Products}, {"sources", r.Sources}} {
		list := listed{name: l.name, table: h.countTable(a, l.name, "admin.today."+l.name), chart: chart{Title: a.v.T("admin.today.by." + l.name), Lying: true}}
		for _, x := range l.lines {
			name := x.Name
			if p, ok := h.Service.Profile.Catalogue.Product(name); ok && l.name == "products" {
				name = p.Name(h.Frame.Locale(a.Request).Tag)
			}
			if name == "" {
				name = a.v.T("admin.none")
			}
			list.table.Rows = append(list.table.Rows, countRow(text(name), x.N))
			if n := x.N[registry.CountIssued]; n > 0 && len(list.chart.Points) < 10 {
				list.chart.Points = append(list.chart.Points, point{name, n})
			}
		}
		out = append(out, list)
	}
	return out
}

func (h *handler) countTable(a *asked, name, first string) *table {
	t := &table{Caption: a.v.T("admin.today.table." + name), Head: []string{a.v.T(first)}, Empty: a.v.T("admin.today.empty"), Numbers: len(statistics.Kinds())}
	for _, kind := range statistics.Kinds() {
		t.Head = append(t.Head, a.v.T("admin.count."+kind))
	}
	return t
}

func countRow(name cell, n map[string]int64) []cell {
	row := []cell{name}
	for _, kind := range statistics.Kinds() {
		row = append(row, number(n[kind]))
	}
	return row
}

// period is an hour, or a day, with its names in table and chart.
type period struct {
	name, label string
	n           map[string]int64
}

// periods are the hours of one day, all of them that have begun, or the days of
// more.
func periods(r *statistics.Report, days int) []period {
	var out []period
	if days == 1 {
		byHour := map[int64]map[string]int64{}
		for _, x := range r.Hours {
			byHour[x.Start.Unix()] = x.N
		}
		for at := r.Since; at.Before(r.Until) && !at.After(r.At); at = at.Add(time.Hour) {
			out = append(out, period{at.Format("15:04"), strconv.Itoa(at.Hour()), byHour[at.Unix()]})
		}
		return out
	}
	for day := r.Since; day.Before(r.Until); day = day.AddDate(0, 0, 1) {
		sum := map[string]int64{}
		for _, x := range r.Hours {
			if !x.Start.Before(day) && x.Start.Before(day.AddDate(0, 0, 1)) {
				for kind, n := range x.N {
					sum[kind] += n
				}
			}
		}
		out = append(out, period{day.Format(time.DateOnly), fmt.Sprint(day.Day()), sum})
	}
	return out
}

func spanText(a *asked, days int) string {
	if days == 1 {
		return a.v.T("admin.today.oneday")
	}
	return a.v.T("admin.today.span", "days", strconv.Itoa(days))
}
