package dhis2

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"time"

	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/vaccination"
)

// tombstone is what is left of a deleted person: the rows that say so.
func tombstone(id string, rows []row) (json.RawMessage, bool) {
	type event struct {
		Event        string `json:"event"`
		ProgramStage string `json:"programStage"`
		UpdatedAt    string `json:"updatedAt"`
		Deleted      bool   `json:"deleted"`
	}
	deleted, updated, events := false, time.Time{}, []event{}
	for _, r := range rows {
		if r.event == "" {
			deleted = r.deleted
		} else if r.deleted {
			events = append(events, event{r.event, r.stage, r.updated.Format(stampForm), true})
		}
		if r.updated.After(updated) {
			updated = r.updated
		}
	}
	if !deleted {
		return nil, false
	}
	raw, err := json.Marshal(map[string]any{
		"trackedEntity": id, "deleted": true, "updatedAt": updated.Format(stampForm), "attributes": []any{},
		"enrollments": []any{map[string]any{"deleted": true, "events": events}},
	})
	return raw, err == nil
}

// everything walks all people and doses for what a poll missed, for whichever
// reason, and then looks for people whom the server has no longer.
func (p *polling) everything(ctx context.Context) error {
	seed, listed := maphash.MakeSeed(), map[uint64]struct{}{}
	err := p.window(ctx, time.Unix(0, 0).UTC(), p.p.until(), func(ctx context.Context, rows []row, _ time.Time) error {
		for _, r := range rows {
			listed[maphash.String(seed, r.entity)] = struct{}{}
		}
		return p.take(ctx, rows, time.Time{})
	})
	if err != nil {
		return err
	}
	return p.s.Intake.Each(ctx, p.src.Name, func(known []intake.Fragment) error {
		var gone []intake.Arrival
		for _, f := range known {
			if _, ok := listed[maphash.String(seed, f.ID)]; ok || f.Kind != intake.PersonFragment {
				continue
			}
			is, err := p.o.poll.Gone(ctx, f.ID)
			if err != nil {
				return err
			}
			if raw, ok := tombstone(f.ID, []row{{entity: f.ID, updated: p.info.Now, deleted: true}}); is && ok {
				gone = append(gone, p.s.arrival(p.o, p.info, intake.Poll, raw))
			}
		}
		if len(gone) == 0 {
			return nil
		}
		return p.store(ctx, gone, time.Time{})
	})
}

// differing are the rows that say something else than what is stored.
func (p *polling) differing(ctx context.Context, rows []row) ([]row, error) {
	var out []row
	for _, kind := range []intake.FragmentKind{intake.PersonFragment, intake.DoseFragment} {
		id := func(r row) string { return r.entity }
		if kind == intake.DoseFragment {
			id = func(r row) string { return r.event }
		}
		var ids []string
		var part []row
		for _, r := range rows {
			if (r.event != "") == (kind == intake.DoseFragment) {
				ids, part = append(ids, id(r)), append(part, r)
			}
		}
		known, err := p.s.Intake.Known(ctx, p.src.Name, kind, ids)
		if err != nil {
			return nil, err
		}
		for _, r := range part {
			k, ok := known[id(r)]
			at, err := instant(r.updated.Format(stampForm), p.info.Zone)
			if err != nil {
				return nil, err
			}
			// An older version is what matters: one that was touched is newer.
			if !ok && !r.deleted || ok && (k.Version.Before(at) || k.Deleted != r.deleted) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// concerns is what the people who run the source should know, although it works.
func (p *polling) concerns() error {
	if n := len(p.p.Unread); n > 0 {
		return vaccination.Errorf(vaccination.Forbidden, "%d people changed whom our DHIS2 user may not see: give the user access to their units; they are asked for again with every poll", n)
	}
	if left, known := p.o.config.Dying(p.s.Now()); known && left < 7*24*time.Hour {
		return vaccination.Errorf(vaccination.Forbidden, "the access token dies on %s: make a new one in DHIS2 and put it into the source's settings", p.o.config.TokenExpires)
	}
	return nil
}
