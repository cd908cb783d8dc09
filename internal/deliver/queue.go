package deliver

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// The channels.
const (
	SMS   = "sms"
	Email = "email"
)

// content is what is sealed of a message.
type content struct {
	To     string            `json:"to"`
	Values map[string]string `json:"values,omitempty"`
}

// Queue puts a message into the caller's transaction. One that was queued before,
// by the same Once, is left alone, whatever became of it.
//
// The error is [vaccination.Invalid] for a number or address that gets no
// messages (see [profile.Profile.Sendable]), a template that there is not, or
// values that it does not have. Whether a gateway is there does not matter: what
// cannot be sent in time expires.
func (s *Service) Queue(ctx context.Context, q *query.Queries, m Message) error {
	var key *seal.PersonKey
	if m.Person != (Person{}) {
		row, err := q.PersonByID(ctx, query.PersonByIDParams{Bucket: m.Person.Bucket, ID: m.Person.ID})
		if err != nil {
			return fmt.Errorf("finding whom a message is about: %w", err)
		}
		if key, err = s.Box.PersonKey(row.Key, seal.AAD(vaccination.Bucket(row.Bucket), row.ID, "key")); err != nil {
			return err
		}
	}
	b := s.batch()
	if err := b.add(m, key); err != nil {
		return err
	}
	_, err := b.insert(ctx, q)
	return err
}

// batch is messages that are queued together.
type batch struct {
	s   *Service
	now time.Time
	p   query.InsertMessagesParams
}

func (s *Service) batch() *batch {
	now := s.Now().UTC()
	return &batch{s: s, now: now, p: query.InsertMessagesParams{At: now}}
}

// channelOf tells a number from an address.
func channelOf(to string) string {
	if strings.HasPrefix(to, "+") {
		return SMS
	}
	return Email
}

// Reachable reports whether messages can be sent to a number or address.
func (s *Service) Reachable(to string) bool { return s.checkRecipient(to) == nil }

func (s *Service) checkRecipient(to string) error {
	if channelOf(to) == SMS {
		if !s.Profile.Sendable(to) {
			return vaccination.Errorf(vaccination.Invalid, "messages go to numbers like %s only", s.Profile.PhoneRules.Example)
		}
		return nil
	}
	if a, err := mail.ParseAddress(to); err != nil || a.Address != to || len(to) > 254 || strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return vaccination.Errorf(vaccination.Invalid, "this is no e-mail address that can get a message")
	}
	return nil
}

// recipient is the blind index of a number or address.
func (s *Service) recipient(to string) []byte { return s.Box.Index(seal.Mobile, strings.ToLower(to)) }

// add checks and seals one message. key is the person's, nil for nobody known.
func (b *batch) add(m Message, key *seal.PersonKey) error {
	s := b.s
	if err := s.checkRecipient(m.To); err != nil {
		return err
	}
	if m.Once == "" || m.Class != Notice && m.Class != Code {
		return fmt.Errorf("deliver: a message needs a class and something that it is sent once for")
	}
	if !slices.Contains(s.Profile.Languages, m.Language) {
		m.Language = s.Profile.Languages[0]
	}
	values, err := s.values(m)
	if err != nil {
		return err
	}
	bucket := m.Person.Bucket
	if m.Person == (Person{}) {
		bucket = int16(s.Box.Bucket("message to " + m.To))
	}
	once := s.Box.Index(seal.Content, "message once "+m.Once)
	plain, err := json.Marshal(content{m.To, values})
	if err != nil {
		return err
	}
	var sealed []byte
	if key != nil {
		sealed, err = key.Seal(plain, messageAAD(m.Person, once))
	} else {
		sealed, err = s.Box.Seal(plain, messageAAD(Person{}, once))
	}
	if err != nil {
		return err
	}
	due, expires := b.now, m.Expires
	if m.After.After(due) {
		due = m.After
	}
	if expires.IsZero() {
		expires = due.Add(s.Profile.Messaging.Expire)
		if until, quiet := s.Profile.Quiet(due); quiet {
			expires = until.Add(s.Profile.Messaging.Expire)
		}
	}
	p := &b.p
	p.Buckets, p.People, p.Certificates = append(p.Buckets, bucket), append(p.People, m.Person.ID), append(p.Certificates, notNil(m.Certificate))
	p.Onces, p.Recipients, p.Sealeds = append(p.Onces, once), append(p.Recipients, s.recipient(m.To)), append(p.Sealeds, sealed)
	p.Channels, p.Classes = append(p.Channels, channelOf(m.To)), append(p.Classes, string(m.Class))
	p.Templates, p.Languages = append(p.Templates, m.Template), append(p.Languages, m.Language)
	p.Dues, p.Expires = append(p.Dues, due.UTC()), append(p.Expires, expires.UTC())
	return nil
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// messageAAD binds what is sealed to its message.
func messageAAD(p Person, once []byte) []byte {
	return seal.AAD(vaccination.Bucket(p.Bucket), p.ID, "message "+hex.EncodeToString(once))
}

// insert writes the batch and returns how many messages are new.
func (b *batch) insert(ctx context.Context, q *query.Queries) (int64, error) {
	if len(b.p.Onces) == 0 {
		return 0, nil
	}
	if err := b.speak(ctx, q); err != nil {
		return 0, err
	}
	return q.InsertMessages(ctx, b.p)
}

// speak puts notices into the language that their people chose. A code is in the
// language of the page where it was asked for.
func (b *batch) speak(ctx context.Context, q *query.Queries) error {
	chosen, err := b.s.chosenBy(ctx, q, b.p.Buckets, b.p.People)
	if err != nil {
		return err
	}
	for i := range b.p.Onces {
		language := chosen[Person{b.p.Buckets[i], b.p.People[i]}]
		if Class(b.p.Classes[i]) == Notice && language != "" {
			b.p.Languages[i] = language
		}
	}
	return nil
}

// maxValue bounds a value that is put into a text, in bytes.
const maxValue = 200

// values are what a message's text needs, checked: what a template has no place
// for is refused, as is a link that leads elsewhere or carries a secret.
func (s *Service) values(m Message) (map[string]string, error) {
	places, ok := profile.Places(m.Template)
	if !ok {
		return nil, fmt.Errorf("deliver: there is no template %q", m.Template)
	}
	out := map[string]string{}
	for name, v := range m.Values {
		if !slices.Contains(places, name) {
			return nil, fmt.Errorf("deliver: the template %s has no place {%s}", m.Template, name)
		}
		if len(v) > maxValue || !utf8.ValidString(v) || strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsGraphic(r) || r == '{' || r == '}' }) {
			return nil, fmt.Errorf("deliver: what is to stand in {%s} of %s is no short text", name, m.Template)
		}
		out[name] = v
	}
	for _, place := range places {
		if out[place] == "" && place == "link" {
			out[place] = s.PublicURL + profile.MyPath
		}
		if out[place] == "" {
			return nil, fmt.Errorf("deliver: the template %s needs {%s}", m.Template, place)
		}
	}
	if link := out["link"]; link != "" && (!strings.HasPrefix(link, s.PublicURL+"/") || strings.ContainsAny(link, "?#@ ")) {
		return nil, fmt.Errorf("deliver: a link in a message leads to a page of %s, without anything that signs in", s.PublicURL)
	}
	return out, nil
}

// Tell puts messages about certificates into the transaction in which something
// happened to them: to each person who has a number that gets messages, else an
// address, once for each version and event. It is [issuance.Options]' Tell.
func (s *Service) Tell(ctx context.Context, tx pgx.Tx, q *query.Queries, at time.Time, news []issuance.News) error {
	b := s.batch()
	for _, n := range news {
		if !slices.Contains(s.Profile.Messaging.Send, string(n.What)) || s.old(n, at) {
			continue
		}
		to, err := s.reach(ctx, q, n.Contacts)
		if err != nil {
			return err
		}
		if to == "" {
			continue
		}
		err = b.add(Message{
			Template: string(n.What), Class: Notice, Person: Person{n.Bucket, n.Person}, To: to, Certificate: n.Certificate[:],
			Once: "certificate " + n.Certificate.String() + " " + string(n.What),
		}, n.Key)
		if err != nil {
			return err
		}
	}
	queued, err := b.insert(ctx, q)
	if err != nil || queued == 0 || s.later == nil {
		return err
	}
	return s.later(ctx, tx, Notice)
}

// old reports whether news are about a dose too long ago, or one whose day nobody
// knows well enough.
func (s *Service) old(n issuance.News, at time.Time) bool {
	if n.Given.IsZero() {
		return n.What == issuance.NewsReady
	}
	latest, ok := n.Given.Latest()
	return !ok || at.Sub(latest) > s.Profile.Messaging.MaxAge+24*time.Hour // the day itself counts
}

// reach is where a person is told: the first number that gets messages, where
// there is somebody who carries them, else the first address.
func (s *Service) reach(ctx context.Context, q *query.Queries, contacts []string) (string, error) {
	for _, scheme := range []string{"tel:", "mailto:"} {
		for _, c := range contacts {
			to, ok := strings.CutPrefix(c, scheme)
			if !ok || !s.Reachable(to) {
				continue
			}
			has, err := s.carries(ctx, q, channelOf(to))
			if err != nil {
				return "", err
			}
			if has {
				return to, nil
			}
		}
	}
	return "", nil
}
