package deliver

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// NewCampaign is a message to everybody who has a certificate that stands and
// fits: one message a person, whatever they have.
type NewCampaign struct {
	Name     string            `json:"name" minLength:"1" maxLength:"100"`
	Template string            `json:"template" doc:"ready, corrected, or campaign for texts of its own"`
	Texts    map[string]string `json:"texts,omitempty" doc:"of the template campaign, by language, each with {link}; ours where there is none"`
	Filter   Filter            `json:"filter"`
}

// Filter says whose certificates a campaign is about.
type Filter struct {
	Programme string    `json:"programme,omitempty"`
	Source    string    `json:"source,omitempty"`
	From      time.Time `json:"issuedFrom,omitzero" doc:"issued at or after"`
	To        time.Time `json:"issuedBefore,omitzero"`
}

// Campaign is one with what is known of it.
type Campaign struct {
	ID int64 `json:"id"`
	NewCampaign
	State    string    `json:"state" enum:"draft,running,stopped,done"`
	MadeBy   string    `json:"madeBy"`
	MadeAt   time.Time `json:"madeAt"`
	Approved string    `json:"approvedBy,omitempty"`
	Counting bool      `json:"counting,omitempty" doc:"people, parts and cost are of as many as were counted by now"`
	People   int       `json:"people" doc:"who would get it, counted when it was made"`
	Parts    int       `json:"parts" doc:"SMS parts that would be paid for"`
	Cost     float64   `json:"cost,omitempty" doc:"parts times the profile's price"`
	Currency string    `json:"currency,omitempty"`
	Speech   []Spoken  `json:"languages,omitempty" doc:"people, parts and cost by the language that each is written to in"`
	Queued   int       `json:"queued"`
}

const campaignPage = 500 // people that are looked at, or queued, at once

// CreateCampaign makes a draft. What it would cost is counted by whoever runs
// [Service.CountCampaigns], and nothing is sent until somebody else, who sees that,
// approves it. The machine itself makes none ([vaccination.Forbidden]): two people
// answer for a campaign.
func (s *Service) CreateCampaign(ctx context.Context, by access.Caller, n NewCampaign) (Campaign, error) {
	if err := may(by); err != nil {
		return Campaign{}, err
	}
	if err := by.First(); err != nil {
		return Campaign{}, err
	}
	if err := s.checkCampaign(n); err != nil {
		return Campaign{}, err
	}
	texts, err := json.Marshal(n.Texts)
	if err != nil {
		return Campaign{}, err
	}
	filter, err := json.Marshal(n.Filter)
	if err != nil {
		return Campaign{}, err
	}
	now := s.Now().UTC()
	var id int64
	err = s.Store.Tx(ctx, func(q *query.Queries) (err error) {
		id, err = q.InsertCampaign(ctx, query.InsertCampaignParams{Name: n.Name, Template: n.Template, Texts: texts, Filter: filter, MadeBy: by.Actor, At: now})
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.AdminChain, Act: "campaign.make", Object: fmt.Sprint(id)})
	})
	if err != nil {
		return Campaign{}, err
	}
	s.wakeCounting()
	return s.Campaign(ctx, by, id)
}

func (s *Service) checkCampaign(n NewCampaign) error {
	if n.Name == "" || utf8.RuneCountInString(n.Name) > 100 || strings.ContainsFunc(n.Name, func(r rune) bool { return r < ' ' }) {
		return vaccination.Errorf(vaccination.Invalid, "give the campaign a name of at most 100 characters")
	}
	if !slices.Contains([]string{profile.MessageReady, profile.MessageCorrected, profile.MessageCampaign}, n.Template) || n.Template != profile.MessageCampaign && len(n.Texts) > 0 {
		return vaccination.Errorf(vaccination.Invalid, "a campaign sends ready, corrected, or campaign with texts of its own")
	}
	for language, text := range n.Texts {
		if !slices.Contains(s.Profile.Languages, language) {
			return vaccination.Errorf(vaccination.Invalid, "%q is not one of the profile's languages", language)
		}
		if err := s.Profile.CheckMessage(n.Template, text); err != nil {
			return vaccination.Errorf(vaccination.Invalid, "the text in %s: %s", language, err)
		}
	}
	if _, ok := s.Profile.Programmes[n.Filter.Programme]; n.Filter.Programme != "" && !ok {
		return vaccination.Errorf(vaccination.Invalid, "there is no such programme: use one of %s", strings.Join(s.Profile.ProgrammeKeys(), ", "))
	}
	if !n.Filter.To.IsZero() && !n.Filter.To.After(n.Filter.From) {
		return vaccination.Errorf(vaccination.Invalid, "the certificates of a campaign are issued before its end and after its beginning")
	}
	return nil
}

func (n NewCampaign) page(bucket int16, person int64) query.CampaignPeopleParams {
	p := query.CampaignPeopleParams{Bucket: bucket, PersonID: person, Programme: n.Filter.Programme, Source: n.Filter.Source, IssuedFrom: n.Filter.From, IssuedTo: n.Filter.To, MaxRows: campaignPage}
	if p.IssuedTo.IsZero() {
		p.IssuedTo = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return p
}

// told is somebody whom a campaign reaches, and how.
type told struct {
	query.CampaignPeopleRow
	to  string
	key *seal.PersonKey
}

// reached are those of a page who can be reached and want messages.
func (s *Service) reached(ctx context.Context, q *query.Queries, page []query.CampaignPeopleRow) ([]told, error) {
	var all []told
	var in query.SuppressionsAmongParams
	for _, row := range page {
		contacts, key, err := s.Contacts(query.Person{Bucket: row.Bucket, ID: row.PersonID, Key: row.Key, Sealed: row.Sealed})
		if err != nil {
			continue // somebody who was erased
		}
		to, err := s.reach(ctx, q, contacts)
		if err != nil {
			return nil, err
		}
		if to == "" {
			continue
		}
		in.Ns, in.Recipients = append(in.Ns, int32(len(all))), append(in.Recipients, s.recipient(to))
		in.Buckets, in.People = append(in.Buckets, row.Bucket), append(in.People, row.PersonID)
		all = append(all, told{row, to, key})
	}
	if len(all) == 0 {
		return nil, nil
	}
	not, err := q.SuppressionsAmong(ctx, in)
	if err != nil {
		return nil, err
	}
	for _, n := range not {
		all[n].to = ""
	}
	return slices.DeleteFunc(all, func(t told) bool { return t.to == "" }), nil
}

// CountCampaigns counts whom drafts reach and in how many parts, until all are
// counted. Each page is a transaction that moves the count on: who was ended goes
// on behind the last, and of two who count at once none counts a page twice.
// While the database is on hold nothing is counted.
func (s *Service) CountCampaigns(ctx context.Context) error {
	if held, err := s.held(ctx); err != nil || held {
		return err
	}
	ids, err := s.queries().UncountedCampaigns(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		for done := false; !done; {
			if s.stopped() {
				return nil
			}
			if done, err = s.countPage(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// countPage counts the next page of a draft; done says that it was the last.
func (s *Service) countPage(ctx context.Context, id int64) (done bool, err error) {
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		row, err := q.LockCampaign(ctx, id)
		if err != nil {
			return err
		}
		if done = row.Counted || row.State != "draft"; done {
			return nil
		}
		c, err := s.readCampaign(row)
		if err != nil {
			return err
		}
		page, err := q.CampaignPeople(ctx, c.page(row.CountBucket, row.CountPerson))
		if err != nil {
			return err
		}
		reached, err := s.reached(ctx, q, page)
		if err != nil {
			return err
		}
		kept, parts, err := s.tally(ctx, q, c.NewCampaign, row.Languages, reached)
		if err != nil {
			return err
		}
		next := query.CountCampaignParams{
			ID: id, People: int64(len(reached)), Parts: parts, Languages: kept,
			Counted: len(page) < campaignPage, CountBucket: row.CountBucket, CountPerson: row.CountPerson,
		}
		if len(page) > 0 {
			next.CountBucket, next.CountPerson = page[len(page)-1].Bucket, page[len(page)-1].PersonID
		}
		if err := q.CountCampaign(ctx, next); err != nil || !next.Counted {
			return err
		}
		done = true
		return registry.Audit(ctx, q, s.Now().UTC(), access.System("messages").Actor, registry.Entry{
			Chain: registry.AdminChain, Act: "campaign.count", Object: fmt.Sprint(id), Detail: fmt.Sprintf("%d people, %d parts", row.People+next.People, row.Parts+next.Parts),
		})
	})
	return done, err
}

func errNoCampaign() error {
	return vaccination.Errorf(vaccination.NotFound, "there is no such campaign")
}

// Campaign returns one campaign. An unknown one is [vaccination.NotFound].
func (s *Service) Campaign(ctx context.Context, by access.Caller, id int64) (Campaign, error) {
	if err := may(by); err != nil {
		return Campaign{}, err
	}
	row, err := s.queries().CampaignByID(ctx, id)
	if registry.IsNone(err) {
		return Campaign{}, errNoCampaign()
	}
	if err != nil {
		return Campaign{}, err
	}
	return s.readCampaign(row)
}

func (s *Service) readCampaign(row query.Campaign) (Campaign, error) {
	c := Campaign{
		ID: row.ID, State: row.State, MadeBy: row.MadeBy, MadeAt: row.MadeAt, Approved: row.ApprovedBy, Counting: !row.Counted && row.State == "draft", People: int(row.People), Parts: int(row.Parts), Queued: int(row.Queued),
		Cost: float64(row.Parts) * s.Profile.Messaging.PricePerPart, Currency: s.Profile.Messaging.Currency,
	}
	c.Name, c.Template = row.Name, row.Template
	if err := json.Unmarshal(row.Texts, &c.Texts); err != nil {
		return c, err
	}
	if err := json.Unmarshal(row.Filter, &c.Filter); err != nil {
		return c, err
	}
	var err error
	c.Speech, err = s.bySpeech(c.NewCampaign, row.Languages)
	return c, err
}

// Campaigns lists the campaigns, the newest first.
func (s *Service) Campaigns(ctx context.Context, by access.Caller) ([]Campaign, error) {
	if err := may(by); err != nil {
		return nil, err
	}
	rows, err := s.queries().Campaigns(ctx)
	out := []Campaign{}
	for _, row := range rows {
		c, err := s.readCampaign(row)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, err
}

// ApproveCampaign lets a draft begin. Whoever made it cannot: the error is
// [vaccination.Forbidden]. One that is not counted yet is [vaccination.Conflict].
func (s *Service) ApproveCampaign(ctx context.Context, by access.Caller, id int64) error {
	return s.moveCampaign(ctx, by, id, "campaign.approve", func(q *query.Queries, c query.Campaign) (int64, error) {
		if !by.Second(c.MadeBy) {
			return 0, vaccination.Errorf(vaccination.Forbidden, "somebody else has to approve it, at the door where it was made: two people answer for a campaign")
		}
		if !c.Counted && c.State == "draft" {
			return 0, vaccination.Errorf(vaccination.Conflict, "whom it reaches is being counted: look again in a moment")
		}
		return q.ApproveCampaign(ctx, query.ApproveCampaignParams{ID: id, ApprovedBy: by.Actor})
	})
}

// StopCampaign ends a campaign: what nobody has taken yet is not sent.
func (s *Service) StopCampaign(ctx context.Context, by access.Caller, id int64) error {
	return s.moveCampaign(ctx, by, id, "campaign.stop", func(q *query.Queries, _ query.Campaign) (int64, error) {
		n, err := q.StopCampaign(ctx, id)
		if err == nil && n > 0 {
			_, err = q.StopCampaignMessages(ctx, query.StopCampaignMessagesParams{ID: id, At: s.Now().UTC()})
		}
		return n, err
	})
}

func (s *Service) moveCampaign(ctx context.Context, by access.Caller, id int64, act string, move func(*query.Queries, query.Campaign) (int64, error)) error {
	if err := may(by); err != nil {
		return err
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		c, err := q.LockCampaign(ctx, id)
		if registry.IsNone(err) {
			return errNoCampaign()
		}
		if err != nil {
			return err
		}
		n, err := move(q, c)
		if err == nil && n == 0 {
			err = vaccination.Errorf(vaccination.Conflict, "the campaign is %s already", c.State)
		}
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.AdminChain, Act: act, Object: fmt.Sprint(id)})
	})
}

// runCampaigns queues a page of each campaign that was approved. The gateway's
// rate decides when they go; others' messages keep their places between them.
func (s *Service) runCampaigns(ctx context.Context) error {
	if held, err := s.held(ctx); err != nil || held {
		return err
	}
	ids, err := s.queries().RunningCampaigns(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.runCampaign(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) runCampaign(ctx context.Context, id int64) error {
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		row, err := q.LockCampaign(ctx, id)
		if err != nil || row.State != "running" {
			return err
		}
		c, err := s.readCampaign(row)
		if err != nil {
			return err
		}
		people, err := q.CampaignPeople(ctx, c.page(row.AtBucket, row.AtPerson))
		if err != nil {
			return err
		}
		b := s.batch()
		b.p.Campaign = id
		next := query.MoveCampaignParams{ID: id, State: "running", AtBucket: row.AtBucket, AtPerson: row.AtPerson}
		reached, err := s.reached(ctx, q, people)
		if err != nil {
			return err
		}
		for _, t := range reached {
			err := b.add(Message{
				Template: c.Template, Class: Notice, Person: Person{t.Bucket, t.PersonID}, To: t.to, Certificate: t.Certificate,
				Once: fmt.Sprintf("campaign %d to %d %d", id, t.Bucket, t.PersonID),
			}, t.key)
			if err != nil {
				return err
			}
		}
		if len(people) > 0 {
			next.AtBucket, next.AtPerson = people[len(people)-1].Bucket, people[len(people)-1].PersonID
		}
		if next.Queued, err = b.insert(ctx, q); err != nil {
			return err
		}
		if len(people) < campaignPage {
			next.State = "done"
		}
		return q.MoveCampaign(ctx, next)
	})
}
