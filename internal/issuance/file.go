package issuance

import (
	"context"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// SettleFile is [Service.Settle] for some of the records of one file, all as of
// the time the file was received: of two files the newer counts. Of two rows of
// one file that say different things of one record the second is a
// [vaccination.Conflict], wherever in the file they stand: which of them is right
// is not for us to say.
func (s *Service) SettleFile(ctx context.Context, by access.Caller, received time.Time, events []vaccination.Event, also Also) ([]Each, error) {
	return s.issueEach(ctx, fileRequest(by, received, events), also)
}

func fileRequest(by access.Caller, received time.Time, events []vaccination.Event) request {
	r := request{by: by, action: Certify, events: events, once: true, asOf: make([]time.Time, len(events))}
	for i := range r.asOf {
		r.asOf[i] = received
	}
	return r
}

// contradicts reports whether the file that d is from said something else of the
// record before.
func (d *Draft) contradicts() bool {
	return d.once && d.told != nil && d.told.AsOf.Equal(d.asOf) && string(d.told.Content) != string(d.content)
}

// TryFile tells what [Service.SettleFile] would make of the next records of a
// file, and makes nothing of them: nothing is signed, and all that is written is
// which records came up, with upload, so that rows that contradict are found
// however far apart they stand. Results name the certificates that are there
// already and no others.
func (s *Service) TryFile(ctx context.Context, by access.Caller, received time.Time, upload int64, events []vaccination.Event) ([]Each, error) {
	r := fileRequest(by, received, events)
	drafts, errs, err := s.prepareEach(ctx, r, make([]error, len(events)))
	if err != nil {
		return nil, err
	}
	keys, contents, find := make([][]byte, len(drafts)), make([][]byte, len(drafts)), query.TriedRecordsParams{UploadID: upload}
	for i, d := range drafts {
		if d != nil {
			keys[i], contents[i] = s.tried(d)
			find.Records = append(find.Records, keys[i])
		}
	}
	rows, err := s.Store.Read().TriedRecords(ctx, find)
	if err != nil {
		return nil, err
	}
	before := map[string][]byte{} // content by record
	for _, row := range rows {
		before[string(row.Record)] = row.Content
	}
	keep := query.InsertTriedRecordsParams{UploadID: upload}
	out := make([]Each, len(drafts))
	for i, d := range drafts {
		if d == nil {
			out[i].Err = errs[i]
			continue
		}
		content, tried := before[string(keys[i])]
		switch {
		case tried && string(content) != string(contents[i]):
			out[i].Err = vaccination.Errorf(vaccination.Conflict, "a row of this file before says something else of the same dose of the same person")
		case tried, errs[i] == nil && d.same != nil:
			out[i].Result = Result{Outcome: Unchanged, Programme: d.programme.Key, Dose: d.event.Number()}
		case errs[i] != nil:
			out[i].Err = errs[i]
		default:
			out[i].Result = s.result(&Signed{draft: d})
			if d.stays() {
				keep.Records, keep.Contents = append(keep.Records, keys[i]), append(keep.Contents, contents[i])
			}
		}
	}
	if len(keep.Records) > 0 {
		err = s.Store.Read().InsertTriedRecords(ctx, keep)
	}
	return out, err
}

// stays reports whether issuing d would change what the same record meets when
// it comes again.
func (d *Draft) stays() bool {
	return d.outcome != Unchanged || d.authoritative && d.tell != nil
}

// tried are the keyed hashes of the record that a draft is about and of what it
// says. A test is known by its sample here: nothing is stored, so that the number
// it would be given is not known.
func (s *Service) tried(d *Draft) (record, content []byte) {
	if e := d.said; e.IsTest() {
		e.Test.Number = 0
		t := e.Test
		return s.Box.Index(seal.Content, fmt.Sprintf("tried %s %x test %s %d", d.programme.Key, d.person.row.CodeIndex, t.Type.Code, t.Date.Unix())), s.contentHash(written(e))
	}
	return s.Box.Index(seal.Content, fmt.Sprintf("tried %s %x %d", d.programme.Key, d.person.row.CodeIndex, d.event.Number())), d.content
}
