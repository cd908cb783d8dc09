package issuance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// administration is what the audit says of tokens, sources, settings and
// uploads.
type administration struct {
	tokens   map[int64]*tokenTrail
	sources  map[string]string // authoritative, "true" or "false", as it was set last
	feeds    map[string]*feedTrail
	settings map[string]string
	uploads  map[int64]*uploadTrail
	layouts  map[string]*layoutTrail
}

// feedTrail is what the audit says of a source that is read with a mapping.
type feedTrail struct {
	kind    string
	state   string
	mapping string // "version 2"; "" where it has that of its making, if any
	breaker bool
}

type tokenTrail struct {
	detail, by       string
	created, revoked int64 // in microseconds, 0 for never
}

type uploadTrail struct {
	received string // what the audit says of the file
	ended    string // "done 12 rows: …", empty while it is processed
	cleared  int64  // in microseconds
}

func newAdministration() *administration {
	return &administration{tokens: map[int64]*tokenTrail{}, sources: map[string]string{}, feeds: map[string]*feedTrail{}, settings: map[string]string{}, uploads: map[int64]*uploadTrail{}, layouts: map[string]*layoutTrail{}}
}

// follow adds an entry and says what is wrong with it. What it does not know is
// of no concern to it.
func (a *administration) follow(e query.Audit) error {
	at := e.At.UnixMicro()
	switch e.Act {
	case "token.create":
		if id, err := strconv.ParseInt(e.Object, 10, 64); err == nil {
			a.tokens[id] = &tokenTrail{detail: e.Detail, by: e.Actor, created: at}
		}
	case "token.revoke":
		id, err := strconv.ParseInt(e.Object, 10, 64)
		t := a.tokens[id]
		if err != nil || t == nil {
			return fmt.Errorf("token %s is revoked and was never made", e.Object)
		}
		t.revoked = at
	case registry.ActSource:
		a.sources[e.Object] = strings.TrimPrefix(e.Detail, "authoritative ")
	case "source.create", "source.mapping", "source.pause", "source.resume", "source.stop", "source.breaker":
		return a.feed(e)
	case registry.ActSetting:
		a.settings[e.Object] = e.Detail
	case "layout.draft", "layout.ask", "layout.approve":
		a.layout(e)
	case "upload", "upload.done", "upload.failed", "upload.cleared":
		id, err := strconv.ParseInt(strings.TrimPrefix(e.Object, "upload "), 10, 64)
		if err != nil {
			return fmt.Errorf("an upload without a number")
		}
		if e.Act == "upload" {
			a.uploads[id] = &uploadTrail{received: e.Detail}
			return nil
		}
		u := a.uploads[id]
		switch {
		case u == nil:
			return fmt.Errorf("%s ends and was never received", e.Object)
		case e.Act == "upload.cleared":
			u.cleared = at
		case u.ended != "":
			return fmt.Errorf("%s ends twice", e.Object)
		default:
			u.ended = strings.TrimPrefix(e.Act, "upload.") + " " + e.Detail
		}
	}
	return nil
}

// feed adds an entry about a source that is read with a mapping.
func (a *administration) feed(e query.Audit) error {
	name := strings.TrimPrefix(e.Object, "source ")
	f := a.feeds[name]
	if e.Act == "source.create" {
		a.feeds[name] = &feedTrail{kind: e.Detail, state: "active"}
		return nil
	}
	if f == nil { // it posts events by its tokens, and may be paused all the same
		f = &feedTrail{kind: "api", state: "active"}
		a.feeds[name] = f
	}
	switch e.Act {
	case "source.mapping":
		words := strings.Fields(e.Detail)
		if len(words) < 2 {
			return fmt.Errorf("source %s: a mapping without a version", name)
		}
		f.mapping = words[1]
	case "source.pause":
		f.state, f.breaker = "paused", false
	case "source.resume":
		f.state, f.breaker = "active", false
	case "source.stop":
		if f.state == "active" {
			f.state = "stopped"
		}
	case "source.breaker":
		f.state, f.breaker = "paused", true
	}
	return nil
}

// administration compares the tables of administration with the audit.
func (c *checking) administration(ctx context.Context) error {
	a := newAdministration()
	if err := c.chain(ctx, registry.AdminChain, a.follow); err != nil {
		return err
	}
	for _, check := range []func(context.Context, *administration) error{c.tokens, c.sources, c.settings, c.uploads, c.layoutsPrinted} {
		if err := check(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (c *checking) tokens(ctx context.Context, a *administration) error {
	rows, err := c.q.TokensAll(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := a.tokens[row.ID]
		delete(a.tokens, row.ID)
		if t == nil {
			c.problem("token %d: the audit does not know it", row.ID)
			continue
		}
		source := ""
		if row.Source != nil {
			source = *row.Source
		}
		said, until, told := strings.Cut(t.detail, registry.MarkUntil)
		revoked := int64(0)
		if row.RevokedAt != nil {
			revoked = row.RevokedAt.UnixMicro()
		}
		switch {
		case said != registry.TokenScope(row.Role, source, row.Facility, row.Programme):
			c.problem("token %d: its role or what it is for is not what the audit says", row.ID)
		case row.CreatedBy != "" && row.CreatedBy != t.by: // older ones do not say
			c.problem("token %d: somebody else made it, the audit says", row.ID)
		case told && until != row.ExpiresAt.Format(time.RFC3339):
			c.problem("token %d: it expires at another time than the audit says", row.ID)
		case row.CreatedAt.UnixMicro() != t.created:
			c.problem("token %d: it was made at another time than the audit says", row.ID)
		case revoked != t.revoked:
			c.problem("token %d: it was not revoked when the audit says", row.ID)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.tokens)) {
		c.problem("token %d: the audit says it was made, and it is missing", id)
	}
	return nil
}

func (c *checking) sources(ctx context.Context, a *administration) error {
	rows, err := c.q.Sources(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if said := a.sources[row.Name]; fmt.Sprint(row.Authoritative) != said && (row.Authoritative || said != "") {
			c.problem("source %s: that it is authoritative or not is not what the audit says", row.Name)
		}
		delete(a.sources, row.Name)
		f := a.feeds[row.Name]
		if f == nil {
			f = &feedTrail{kind: "api", state: "active"}
		}
		switch {
		case row.Kind != f.kind:
			c.problem("source %s: its kind is not what the audit says", row.Name)
		case row.State != f.state || row.Breaker != f.breaker:
			c.problem("source %s: it is %s, and by the audit %s", row.Name, row.State, f.state)
		case fmt.Sprint(row.MappingVersion) != f.mapping && (f.mapping != "" || row.MappingVersion > 1):
			c.problem("source %s: its mapping is another version than the audit says", row.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.sources)) {
		c.problem("source %s: the audit knows it, and it is missing", name)
	}
	return nil
}

func (c *checking) settings(ctx context.Context, a *administration) error {
	rows, err := c.q.Settings(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if said, known := a.settings[row.Name]; known && said != row.Value {
			c.problem("setting %s: it is not what the audit says", row.Name)
		}
		delete(a.settings, row.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(a.settings)) {
		c.problem("setting %s: the audit knows it, and it is missing", name)
	}
	return nil
}

// uploads compares each upload with the audit and with its rows.
func (c *checking) uploads(ctx context.Context, a *administration) error {
	rows, err := c.q.UploadCounts(ctx)
	if err != nil {
		return err
	}
	for _, u := range rows {
		t := a.uploads[u.ID]
		delete(a.uploads, u.ID)
		if t == nil {
			c.problem("upload %d: the audit does not know it", u.ID)
			t = &uploadTrail{}
		} else if t.received != fmt.Sprintf("%s of %d bytes for %s", u.Format, u.Bytes, u.Source) {
			c.problem("upload %d: its form, size or source is not what the audit says", u.ID)
		}
		ended := ""
		if u.State != "processing" {
			ended = fmt.Sprintf("%s %d rows: %d issued, %d unchanged, %d wrong", u.State, u.RowsDone, u.RowsIssued, u.RowsDone-u.RowsIssued-u.RowsWrong, u.RowsWrong)
		}
		cleared := int64(0)
		if u.ClearedAt != nil {
			cleared = u.ClearedAt.UnixMicro()
		}
		switch {
		case ended != t.ended:
			c.problem("upload %d: it did not end as the audit says", u.ID)
		case cleared != t.cleared:
			c.problem("upload %d: the text of its wrong rows was not removed when the audit says", u.ID)
		case u.N != u.RowsDone || u.Last != u.RowsDone:
			c.problem("upload %d: %d of its rows should have a state, and %d have one", u.ID, u.RowsDone, u.N)
		case u.Issued != u.RowsIssued || u.Wrong != u.RowsWrong || u.Empty != u.RowsEmpty:
			c.problem("upload %d: its counters are not what its rows say", u.ID)
		case u.ClearedAt == nil && u.Kept != u.Wrong:
			c.problem("upload %d: the text of %d wrong rows is missing", u.ID, u.Wrong-u.Kept)
		case u.ClearedAt != nil && u.Kept > 0:
			c.problem("upload %d: the text of %d wrong rows is there after it was removed", u.ID, u.Kept)
		case u.Lost > 0:
			c.problem("upload %d: %d of its rows name a certificate that does not exist", u.ID, u.Lost)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.uploads)) {
		c.problem("upload %d: the audit says it was received, and it is missing", id)
	}
	return nil
}
