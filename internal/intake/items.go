package intake

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// itemRow is an item to be written.
type itemRow struct {
	bucket      int16
	id          int64 // 0 for a new one
	arrival     int64
	fragment    []byte
	received    time.Time
	state       ItemState
	class       HoldClass
	problems    []vaccination.Fault // the first names the item's field
	facility    string
	code        []byte // keyed hash of rule and code that the mapping lacks
	sealed      []byte // the code
	certificate []byte
}

func (r itemRow) field() string {
	if len(r.problems) == 0 {
		return ""
	}
	return r.problems[0].Path
}

func (r itemRow) told() (string, error) {
	if len(r.problems) == 0 {
		return "", nil
	}
	b, err := json.Marshal(r.problems)
	return string(b), err
}

// items gathers what a transaction writes to the ledger: new items, and held
// ones that are decided.
type items struct {
	source  string
	insert  []itemRow
	decided []itemRow
}

func newItems(source string) *items { return &items{source: source} }

func (l *items) add(r itemRow) {
	if r.id != 0 {
		l.decided = append(l.decided, r)
	} else {
		l.insert = append(l.insert, r)
	}
}

// params are the new items.
func (l *items) params(now time.Time) query.InsertItemsParams {
	p := query.InsertItemsParams{Source: l.source, At: now.UTC()}
	for _, r := range l.insert {
		told, _ := r.told() // faults are texts
		p.Buckets, p.Arrivals, p.Fragments = append(p.Buckets, r.bucket), append(p.Arrivals, r.arrival), append(p.Fragments, r.fragment)
		p.States, p.Classes, p.Fields, p.Problems = append(p.States, string(r.state)), append(p.Classes, string(r.class)), append(p.Fields, r.field()), append(p.Problems, told)
		p.Facilities, p.Codes, p.Sealeds = append(p.Facilities, r.facility), append(p.Codes, r.code), append(p.Sealeds, r.sealed)
		p.Certificates, p.ReceivedAts = append(p.Certificates, r.certificate), append(p.ReceivedAts, r.received)
	}
	return p
}

// decisions are the held items that get another state or reason.
func (l *items) decisions(now time.Time, by, note string) query.DecideItemsParams {
	p := query.DecideItemsParams{At: now.UTC(), DecidedBy: by, Note: note}
	for _, r := range l.decided {
		told, _ := r.told()
		p.Buckets, p.Ids = append(p.Buckets, r.bucket), append(p.Ids, r.id)
		p.States, p.Classes, p.Fields, p.Problems = append(p.States, string(r.state)), append(p.Classes, string(r.class)), append(p.Fields, r.field()), append(p.Problems, told)
		p.Facilities, p.Codes, p.Sealeds, p.Certificates = append(p.Facilities, r.facility), append(p.Codes, r.code), append(p.Sealeds, r.sealed), append(p.Certificates, r.certificate)
	}
	return p
}

// itemOf is an item as it is shown.
func itemOf(r query.Item, arrivalHash []byte) (Item, error) {
	i := Item{
		ID: r.ID, Source: r.Source, Reference: referenceEncoding.EncodeToString(arrivalHash), State: ItemState(r.State), Class: HoldClass(r.Class),
		Field: r.Field, Facility: r.Facility, Received: r.ReceivedAt, By: r.DecidedBy, Note: r.Note,
	}
	if r.DecidedAt != nil {
		i.Decided = *r.DecidedAt
	}
	if r.Certificate != nil {
		i.Certificate = vaccination.CertificateID(r.Certificate)
	}
	if r.Problems != "" {
		if err := json.Unmarshal([]byte(r.Problems), &i.Problems); err != nil {
			return i, fmt.Errorf("reading the problems of item %d: %w", r.ID, err)
		}
	}
	return i, nil
}
