// Package staff is the people who run the system: their accounts, how they prove
// who they are, and how long that counts. They sign in here, by passkey or by
// password and code, or at the country's identity provider ([Provider]).
//
// Nothing tells whether a name is anybody's: an unknown one is answered, counted
// and worked on as a known one. What a browser holds is random and kept here as
// a keyed hash; names and secrets are sealed.
package staff

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// How long things count.
const (
	DefaultShift = 10 * time.Hour   // after which everybody signs in again
	IdleEnd      = 30 * time.Minute // without a request
	FreshFor     = 5 * time.Minute  // what was proved counts for acts that ask for it
	LinkLife     = 24 * time.Hour   // of an invitation
	stepLife     = 10 * time.Minute // of what was begun at a sign-in
)

// Options are what a Service needs.
type Options struct {
	Store     *registry.Store
	Box       *seal.Box
	Now       func() time.Time
	Random    io.Reader
	Log       *slog.Logger
	PublicURL string // where the pages are; passkeys are bound to it
	Issuer    string // how authenticator apps name the account
	Demo      bool   // a demonstration: its accounts count, and only there
	Shift     time.Duration
	// HandOver gives what somebody who leaves was working on to a colleague, in
	// the transaction of the act, and says how much it was. by is who did it; from
	// and to are actors of the audit, "staff:7". nil: there is nothing to hand over.
	HandOver func(ctx context.Context, q *query.Queries, by access.Caller, from, to string) (int, error)
}

// Service keeps the members of staff. It is safe for concurrent use.
type Service struct {
	Options
	hashing chan struct{} // bounds the memory that passwords take
	hashed  atomic.Int64  // passwords worked on, for tests
	nobody  string        // the hash that an unknown name is compared with
	keys    *passkeys
}

// New returns the service. It fails where the public URL is none.
func New(o Options) (*Service, error) {
	if o.Shift == 0 {
		o.Shift = DefaultShift
	}
	s := &Service{Options: o, hashing: make(chan struct{}, 3)}
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(o.Random, salt); err != nil {
		return nil, err
	}
	s.nobody = hashPassword("", salt)
	var err error
	s.keys, err = newPasskeys(o)
	return s, err
}

// Origin says where a member's account comes from.
type Origin string

// The origins.
const (
	Local        Origin = "local"    // factors kept here
	FromProvider Origin = "provider" // the country's identity provider
	OfDemo       Origin = "demo"     // of a demonstration: no factor, never outside one
)

// State is what an account may do.
type State string

// The states.
const (
	Invited     State = "invited" // the link was not used yet
	Active      State = "active"
	Deactivated State = "deactivated"
)

// Member is one member of staff.
type Member struct {
	ID       int64
	Name     string // as colleagues call them
	Login    string // what they type to sign in; empty for those of a provider
	Role     access.Role
	Facility string // code; empty for those who work at none
	Origin   Origin
	State    State
	Created  time.Time
	Changed  time.Time // of the account
	Password bool      // has one, with a code
	Passkeys int       // only in lists and in [Service.Get]
	Seen     time.Time // last request of a session, in lists
}

// Actor is how the audit names a member: by a number.
func (m Member) Actor() string { return Actor(m.ID) }

// Actor is how the audit names the member of that number.
func Actor(id int64) string { return "staff:" + strconv.FormatInt(id, 10) }

// Caller is what the member may do, in terms of the law.
func (m Member) Caller() access.Caller {
	c := access.Caller{Actor: m.Actor(), Role: m.Role, Facility: m.Facility}
	if !AtFacility(m.Role) {
		c.Source = access.AdminDoor
	}
	return c
}

// Roles are the roles a member can have, the widest first.
func Roles() []access.Role {
	return []access.Role{access.SystemAdmin, access.ProgrammeAdmin, access.FacilityAdmin, access.FacilityStaff, access.Auditor}
}

// AtFacility says whether a role is one at a facility.
func AtFacility(r access.Role) bool { return r == access.FacilityAdmin || r == access.FacilityStaff }

// person is what is sealed of a member.
type person struct {
	Name  string `json:"name"`
	Login string `json:"login,omitempty"`
}

func aad(id int64, what string) []byte { return fmt.Appendf(nil, "staff %d %s", id, what) }

func (s *Service) seal(id int64, what string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return s.Box.Seal(plain, aad(id, what))
}

func (s *Service) unseal(sealed []byte, id int64, what string, into any) error {
	plain, err := s.Box.Unseal(sealed, aad(id, what))
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, into)
}

// hash is the keyed hash of a secret or a name, for a purpose.
func (s *Service) hash(purpose, text string) []byte {
	return s.Box.Index(seal.Content, "staff "+purpose+"\x00"+text)
}

// loginHash is that of a name as somebody typed it.
func (s *Service) loginHash(login string) []byte { return s.hash("login", plainLogin(login)) }

// plainLogin is a sign-in name without what people vary when they type it.
func plainLogin(login string) string {
	if len(login) > 4*maxLogin { // nobody's; bounded before it is worked on
		login = login[:4*maxLogin]
	}
	return strings.ToLower(norm.NFKC.String(strings.TrimSpace(login)))
}

// audit writes one entry of administration in the caller's transaction.
func (s *Service) audit(ctx context.Context, q *query.Queries, actor, act, object, detail string) error {
	return registry.Audit(ctx, q, s.Now().UTC(), actor, registry.Entry{Chain: registry.AdminChain, Act: act, Object: object, Detail: detail})
}

func (s *Service) member(row *query.Staff) (Member, error) {
	var p person
	if err := s.unseal(row.Sealed, row.ID, "person", &p); err != nil {
		return Member{}, err
	}
	return Member{
		ID: row.ID, Name: p.Name, Login: p.Login, Role: access.Role(row.Role), Facility: row.Facility, Origin: Origin(row.Origin),
		State: State(row.State), Created: row.CreatedAt, Changed: row.ChangedAt, Password: row.Password != nil,
	}, nil
}

// usable says whether an account counts in this process at all.
func (s *Service) usable(origin, state string) bool {
	return State(state) == Active && (Origin(origin) != OfDemo || s.Demo)
}

// Bounds of what is typed.
const (
	maxName     = 100 // characters
	maxLogin    = 100
	maxFacility = 60
)

// checkName says what is wrong with a member's name, sign-in name, role or
// facility, all at once; the error is [vaccination.Invalid].
func checkNew(n Invitee) error {
	var faults []vaccination.Fault
	add := func(path, code, message string) {
		faults = append(faults, vaccination.Fault{Path: path, Code: code, Message: message})
	}
	line := func(path, text string, most int) {
		switch {
		case text == "":
			add(path, "required", "this is needed")
		case utf8.RuneCountInString(text) > most:
			add(path, "too-long", fmt.Sprintf("at most %d characters", most))
		case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '\u200b' }):
			add(path, "character", "one line, without invisible characters")
		}
	}
	line("name", n.Name, maxName)
	line("login", n.Login, maxLogin)
	if strings.ContainsFunc(n.Login, unicode.IsSpace) {
		add("login", "character", "a sign-in name has no spaces")
	}
	if !slices.Contains(Roles(), n.Role) {
		add("role", "format", "the roles of staff are "+joinRoles(Roles()))
	}
	switch {
	case AtFacility(n.Role):
		line("facility", n.Facility, maxFacility)
	case n.Facility != "":
		add("facility", "format", "only the roles at a facility have one")
	}
	if faults == nil {
		return nil
	}
	return &vaccination.Error{Code: vaccination.Invalid, Message: "this account cannot be made so", Faults: faults}
}

func joinRoles(roles []access.Role) string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = string(r)
	}
	return strings.Join(out, ", ")
}

// secret draws what a browser or a link holds: 256 random bits as text.
func (s *Service) secret() (string, error) {
	raw := make([]byte, 32)
	if _, err := io.ReadFull(s.Random, raw); err != nil {
		return "", err
	}
	return encoding.EncodeToString(raw), nil
}

func errSignIn() error {
	return vaccination.Errorf(vaccination.Unauthorized, "you are not signed in, or were for too long: sign in again")
}
