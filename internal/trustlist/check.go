package trustlist

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
)

// checkPage is how many lists a check holds in memory at once, and checkEntries how
// many entries of the audit.
const (
	checkPage    = 10
	checkEntries = 1000
)

// Check is the part of [issuance.Service.Check] that knows whose signatures count: the
// sources, their settings and the version that counts are what the audit says, and each
// list is the one that was imported, by whom the audit says. It does not answer for
// when a source was asked, what was wrong then, and how a list was counted.
type Check struct{}

// Entries implements [issuance.Beside]: entries about people are of no concern.
func (Check) Entries(context.Context, *query.Queries, []query.Audit, func(string, ...any)) error {
	return nil
}

// Certificates implements [issuance.Beside].
func (Check) Certificates(context.Context, *query.Queries, []issuance.Certified, func(string, ...any)) error {
	return nil
}

// End implements [issuance.Beside].
func (Check) End(ctx context.Context, q *query.Queries, problem func(string, ...any)) error {
	t := trail{sources: map[string]*sourceTrail{}, versions: map[int64]*versionTrail{}}
	if err := t.read(ctx, q, problem); err != nil {
		return err
	}
	if err := t.compareSources(ctx, q, problem); err != nil {
		return err
	}
	return t.compareVersions(ctx, q, problem)
}

// trail is what the audit says of trust.
type trail struct {
	sources  map[string]*sourceTrail
	versions map[int64]*versionTrail
}

type sourceTrail struct {
	detail  string // its settings
	version int64  // that counts
	by      string // who changed it last
}

type versionTrail struct {
	source, mark      string
	kind              string // of the source by then
	imported, applied string // who; "" for nobody
}

func (t *trail) read(ctx context.Context, q *query.Queries, problem func(string, ...any)) error {
	after := query.TrustTrailParams{
		Chain:   registry.AdminChain,
		Acts:    []string{registry.ActTrustSource, registry.ActTrustImport, registry.ActTrustApply, registry.ActTrustRevert, registry.ActTrustRemove},
		MaxRows: checkEntries,
	}
	for {
		entries, err := q.TrustTrail(ctx, after)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := t.follow(e); err != nil {
				problem("audit chain %d: entry %d: %v", after.Chain, e.Seq, err)
			}
			after.Seq = e.Seq
		}
		if len(entries) < checkEntries {
			return nil
		}
	}
}

// follow adds an entry.
func (t *trail) follow(e query.TrustTrailRow) error {
	s := t.sources[e.Object]
	if e.Act == registry.ActTrustSource {
		if s == nil {
			s = &sourceTrail{}
			t.sources[e.Object] = s
		}
		s.detail, s.by = e.Detail, e.Actor
		return nil
	}
	if s == nil {
		return fmt.Errorf("an act on a trust source that was never made")
	}
	var id int64
	if _, err := fmt.Sscanf(e.Detail, "version %d", &id); err != nil {
		return fmt.Errorf("an act on no version of a trust source")
	}
	if e.Act == registry.ActTrustRemove {
		delete(t.sources, e.Object)
		return nil
	}
	v := t.versions[id]
	if e.Act == registry.ActTrustImport {
		kind, _, _ := strings.Cut(s.detail, ",")
		t.versions[id] = &versionTrail{source: e.Object, mark: e.Detail, kind: kind, imported: e.Actor}
		return nil
	}
	s.version = id
	switch {
	case v == nil || v.source != e.Object:
		return fmt.Errorf("version %d counts and was never imported", id)
	case v.mark != e.Detail:
		return fmt.Errorf("version %d counts and is not what was imported", id)
	case v.applied == "":
		v.applied = e.Actor
	}
	return nil
}

func (t *trail) compareSources(ctx context.Context, q *query.Queries, problem func(string, ...any)) error {
	rows, err := q.TrustSources(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		s := t.sources[row.Name]
		delete(t.sources, row.Name)
		set := settingsOf(row)
		switch {
		case s == nil:
			problem("trust source %s: the audit does not know it", row.Name)
		case set.detail() != s.detail || row.ChangedBy != s.by:
			problem("trust source %s: its settings are not what the audit says", row.Name)
		case at(row.Version) != s.version:
			problem("trust source %s: version %d counts, and by the audit %d", row.Name, at(row.Version), s.version)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.sources)) {
		problem("trust source %s: the audit knows it, and it is missing", name)
	}
	return nil
}

func (t *trail) compareVersions(ctx context.Context, q *query.Queries, problem func(string, ...any)) error {
	after := query.TrustVersionsAfterParams{MaxRows: checkPage}
	for {
		rows, err := q.TrustVersionsAfter(ctx, after)
		if err != nil {
			return err
		}
		for _, row := range rows {
			after.ID = row.ID
			v := t.versions[row.ID]
			delete(t.versions, row.ID)
			if wrong := v.differs(row); wrong != "" {
				problem("trust version %d: %s", row.ID, wrong)
			}
		}
		if len(rows) < checkPage {
			break
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.versions)) {
		if t.versions[id].applied != "" { // what waited may be dropped
			problem("trust version %d: the audit says that it counted, and it is missing", id)
		}
	}
	return nil
}

// differs says what of a version is not as the audit has it, "" for nothing.
func (v *versionTrail) differs(row query.TrustVersion) string {
	if v == nil {
		return "the audit does not know it"
	}
	digest, err := digestOf(row.List)
	switch {
	case mark(row.ID, row.List) != v.mark:
		return "it is not the list that was imported"
	case err != nil:
		return "its list cannot be read"
	case !bytes.Equal(digest[:], row.Digest):
		return "its digest is another list's"
	case row.Source != v.source || row.Kind != v.kind:
		return "it is of another source or kind than the audit says"
	case (row.State == stateApplied) != (v.applied != ""):
		return "that it is " + row.State + " is not what the audit says"
	case row.MadeBy != v.imported || row.DecidedBy != v.applied:
		return "others imported and applied it, the audit says"
	}
	return ""
}
