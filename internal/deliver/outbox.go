package deliver

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/internal/gsm"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Stored is a message as it is listed: nothing of a person.
type Stored struct {
	ID          int64                     `json:"id"`
	Certificate vaccination.CertificateID `json:"-"`
	About       string                    `json:"certificateId,omitempty"`
	Channel     string                    `json:"channel" enum:"sms,email"`
	Class       string                    `json:"class" enum:"notice,code"`
	Template    string                    `json:"template"`
	Language    string                    `json:"language"`
	Campaign    int64                     `json:"campaign,omitempty"`
	State       string                    `json:"state" enum:"queued,accepted,unknown,expired,failed,delivered"`
	Code        string                    `json:"code,omitempty" doc:"why, as the gateway says it"`
	Gateway     string                    `json:"gateway,omitempty"`
	Attempts    int                       `json:"attempts"`
	Parts       int                       `json:"parts" doc:"SMS parts that were paid for"`
	Created     time.Time                 `json:"createdAt"`
	Due         time.Time                 `json:"dueAt"`
	Expires     time.Time                 `json:"expiresAt"`
	StateAt     time.Time                 `json:"stateAt"`
}

// Query says which messages are listed.
type Query struct {
	States      []string                  // none for all
	Template    string                    // "" for all
	Certificate vaccination.CertificateID // zero for all
	Campaign    int64                     // 0 for all
	Before      int64                     // only older ones than this; 0 for the newest
	Max         int
}

// Dead are the states of messages that did not arrive, as far as is known.
func Dead() []string { return []string{"unknown", "expired", "failed"} }

// List lists messages, the newest first.
func (s *Service) List(ctx context.Context, by access.Caller, f Query) ([]Stored, error) {
	if err := may(by); err != nil {
		return nil, err
	}
	p := query.ListMessagesParams{Before: f.Before, States: []int16{}, Template: f.Template, Certificate: []byte{}, Campaign: f.Campaign, MaxRows: int32(min(max(f.Max, 1), 1000))}
	if p.Before == 0 {
		p.Before = math.MaxInt64
	}
	for _, name := range f.States {
		state, ok := transport.ParseState(name)
		if !ok {
			return nil, vaccination.Errorf(vaccination.Invalid, "there is no such state of a message: use queued, accepted, unknown, expired, failed or delivered")
		}
		p.States = append(p.States, int16(state))
	}
	if f.Certificate != (vaccination.CertificateID{}) {
		p.Certificate, p.Bucket = f.Certificate[:], int16(f.Certificate.Bucket())
	}
	rows, err := s.queries().ListMessages(ctx, p)
	out := []Stored{}
	for _, r := range rows {
		out = append(out, stored(query.MessageByIDRow{
			ID: r.ID, Certificate: r.Certificate, Channel: r.Channel, Class: r.Class, Template: r.Template, Language: r.Language, Campaign: r.Campaign, State: r.State, Code: r.Code,
			Gateway: r.Gateway, Attempts: r.Attempts, Parts: r.Parts, CreatedAt: r.CreatedAt, DueAt: r.DueAt, ExpiresAt: r.ExpiresAt, StateAt: r.StateAt,
		}))
	}
	return out, err
}

func stored(r query.MessageByIDRow) Stored {
	m := Stored{
		ID: r.ID, Channel: r.Channel, Class: r.Class, Template: r.Template, Language: r.Language, State: transport.State(r.State).String(), Code: r.Code, Gateway: r.Gateway,
		Attempts: int(r.Attempts), Parts: int(r.Parts), Created: r.CreatedAt, Due: r.DueAt, Expires: r.ExpiresAt, StateAt: r.StateAt,
	}
	if len(r.Certificate) == len(m.Certificate) {
		m.Certificate = vaccination.CertificateID(r.Certificate)
		m.About = m.Certificate.String()
	}
	if r.Campaign != nil {
		m.Campaign = *r.Campaign
	}
	return m
}

func errNoMessage() error {
	return vaccination.Errorf(vaccination.NotFound, "there is no such message")
}

func (s *Service) row(ctx context.Context, q *query.Queries, id int64) (query.MessageByIDRow, error) {
	row, err := q.MessageByID(ctx, query.MessageByIDParams{ID: id, Bucket: -1})
	if registry.IsNone(err) {
		err = errNoMessage()
	}
	return row, err
}

// Opened is a message that was opened.
type Opened struct {
	Stored
	To   string `json:"to" doc:"the last digits of the number, or the address with its name hidden"`
	Text string `json:"text,omitempty" doc:"as it is sent; a code is hidden"`
}

// Show opens a message. Each look is recorded.
func (s *Service) Show(ctx context.Context, by access.Caller, id int64) (Opened, error) {
	if err := may(by); err != nil {
		return Opened{}, err
	}
	row, err := s.row(ctx, s.queries(), id)
	if err != nil {
		return Opened{}, err
	}
	err = registry.Audit(ctx, s.queries(), s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.GroupOf(row.Bucket), Act: "message.read", Object: fmt.Sprint(id)})
	if err != nil {
		return Opened{}, err
	}
	out := Opened{Stored: stored(row)}
	c, err := s.unseal(Person{row.Bucket, row.PersonID}, row.Key, row.Once, row.Sealed)
	if err != nil {
		return out, nil //nolint:nilerr // what it said is not kept, or the person was erased
	}
	out.To = masked(c.To)
	if c.Values["code"] != "" && !s.Demo {
		c.Values["code"] = "••••••"
	}
	out.Text, err = s.text(ctx, row.Template, row.Language, row.Campaign, c.Values)
	return out, err
}

// masked hides most of a number or address.
func masked(to string) string {
	if channelOf(to) == SMS && len(to) > 2 {
		return "•••" + to[len(to)-2:]
	}
	for i, c := range to {
		if c == '@' {
			return "•••" + to[i:]
		}
	}
	return "•••"
}

// Resend begins another attempt at messages that did not arrive, each with as
// much time as it had. A code is not sent again: whoever waits asks for another.
// What is not there any more to be sent is [vaccination.Conflict].
func (s *Service) Resend(ctx context.Context, by access.Caller, ids ...int64) error {
	if err := may(by); err != nil {
		return err
	}
	now := s.Now().UTC()
	err := s.Store.Tx(ctx, func(q *query.Queries) error {
		for _, id := range ids {
			row, err := s.row(ctx, q, id)
			if err != nil {
				return err
			}
			if Class(row.Class) == Code {
				return vaccination.Errorf(vaccination.Conflict, "message %d is a code: whoever waits for it asks for another", id)
			}
			n, err := q.ResendMessage(ctx, query.ResendMessageParams{Bucket: row.Bucket, ID: row.ID, At: now, ExpiresAt: now.Add(s.Profile.Messaging.Expire)})
			if err == nil && n == 0 {
				err = vaccination.Errorf(vaccination.Conflict, "message %d is %s, or what it said is not kept any more: it is not sent again", id, transport.State(row.State))
			}
			if err != nil {
				return err
			}
			if err := registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.GroupOf(row.Bucket), Act: "message.resend", Object: fmt.Sprint(id)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.Wake(Notice)
	}
	return err
}

// Preview is a text with what it costs.
type Preview struct {
	Template string   `json:"template"`
	Language string   `json:"language"`
	Text     string   `json:"text" doc:"with example values"`
	Size     gsm.Size `json:"size"`
}

// Previews are all texts of the profile as people get them.
func (s *Service) Previews(by access.Caller) ([]Preview, error) {
	if err := may(by); err != nil {
		return nil, err
	}
	var out []Preview
	for _, l := range s.Profile.Languages {
		for _, t := range profile.Templates() {
			text := s.Profile.Example(s.Profile.Message(l, t))
			out = append(out, Preview{t, l, text, gsm.Measure(text)})
		}
	}
	return out, nil
}

// Test sends a message to a number through the gateways, to see whether they
// work: the text of the template campaign. It waits for nothing.
func (s *Service) Test(ctx context.Context, by access.Caller, to string) error {
	if err := may(by); err != nil {
		return err
	}
	if number, err := s.Profile.Phone(to); err == nil {
		to = number
	}
	now := s.Now().UTC()
	err := s.Store.Tx(ctx, func(q *query.Queries) error {
		err := s.Queue(ctx, q, Message{Template: profile.MessageCampaign, Class: Code, To: to, Once: "test " + now.Format(time.RFC3339Nano), Expires: now.Add(10 * time.Minute)})
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.AdminChain, Act: "message.test"})
	})
	if err == nil {
		s.Wake(Code)
	}
	return err
}

// Measured is the state of the outbox, for measures.
type Measured struct {
	Messages []CountedMessages
	Waiting  []WaitingMessages
	Codes    int // asked for in the hour that runs
}

// CountedMessages are how many messages are in a state.
type CountedMessages struct {
	Channel, Class, State string
	N                     int
}

// WaitingMessages are what is due.
type WaitingMessages struct {
	Channel, Class string
	N              int
	Oldest         time.Duration
}

// Measure counts.
func (s *Service) Measure(ctx context.Context) (m Measured, err error) {
	q, now := s.queries(), s.Now().UTC()
	counts, err := q.CountMessages(ctx)
	if err != nil {
		return m, err
	}
	for _, c := range counts {
		m.Messages = append(m.Messages, CountedMessages{c.Channel, c.Class, transport.State(c.State).String(), int(c.N)})
	}
	waiting, err := q.WaitingMessages(ctx, now)
	if err != nil {
		return m, err
	}
	for _, w := range waiting {
		m.Waiting = append(m.Waiting, WaitingMessages{w.Channel, w.Class, int(w.N), now.Sub(w.Oldest)})
	}
	m.Codes, err = s.Budget.LastHour(ctx)
	return m, err
}
