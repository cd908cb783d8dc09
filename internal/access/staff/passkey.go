package staff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// passkeys is the relying party of WebAuthn: the public URL's host. What signs in
// here is a passkey in the full sense: it is found without a name, and the
// device looked who holds it (a finger, a face, a PIN).
type passkeys struct{ party *webauthn.WebAuthn }

// maxPasskeys bounds those of one account.
const maxPasskeys = 10

// newPasskeys returns nil where the pages have an IP address and no name: browsers
// bind no passkey to one.
func newPasskeys(o Options) (*passkeys, error) {
	u, err := url.Parse(o.PublicURL)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("staff: the public URL is needed, to bind passkeys to")
	}
	if net.ParseIP(u.Hostname()) != nil {
		return nil, nil
	}
	required := true
	party, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: o.Issuer, RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: &required, ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
	})
	return &passkeys{party}, err
}

// HasPasskeys says whether passkeys can be used here.
func (s *Service) HasPasskeys() bool { return s.keys != nil }

func errNoPasskeys() error {
	return vaccination.Errorf(vaccination.Conflict, "passkeys need an address with a name; this one is a number")
}

// owner is a member as the library sees one.
type owner struct {
	row  *query.Staff
	name string
	keys []webauthn.Credential
}

// WebAuthnID is the account's handle.
func (o *owner) WebAuthnID() []byte { return o.row.Handle }

// WebAuthnName is what the browser shows.
func (o *owner) WebAuthnName() string { return o.name }

// WebAuthnDisplayName is the same.
func (o *owner) WebAuthnDisplayName() string { return o.name }

// WebAuthnCredentials are its passkeys.
func (o *owner) WebAuthnCredentials() []webauthn.Credential { return o.keys }

func (s *Service) owner(ctx context.Context, q *query.Queries, row *query.Staff) (*owner, error) {
	m, err := s.member(row)
	if err != nil {
		return nil, err
	}
	rows, err := q.StaffPasskeys(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	out := &owner{row: row, name: m.Login}
	for _, k := range rows {
		var c webauthn.Credential
		if err := s.unseal(k.Sealed, row.ID, "passkey", &c); err != nil {
			return nil, err
		}
		out.keys = append(out.keys, c)
	}
	return out, nil
}

// Passkey is one passkey, as its owner's list shows it.
type Passkey struct {
	ID      string
	Name    string
	Created time.Time
	Used    *time.Time
}

// Passkeys are those of a member, the oldest first.
func (s *Service) Passkeys(ctx context.Context, id int64) ([]Passkey, error) {
	rows, err := s.Store.Read().StaffPasskeys(ctx, id)
	out := make([]Passkey, len(rows))
	for i, r := range rows {
		out[i] = Passkey{ID: encoding.EncodeToString(r.ID), Name: r.Name, Created: r.CreatedAt, Used: r.UsedAt}
	}
	return out, err
}

// asking is what a question to a passkey remembers.
type asking struct {
	Session webauthn.SessionData `json:"session"`
	Link    []byte               `json:"link,omitempty"`  // of an invitation, hashed
	Again   []byte               `json:"again,omitempty"` // the session that is to be renewed
}

// AskPasskey begins a sign-in by passkey: what navigator.credentials.get is to be
// given, and the secret of the step. The answer is the same for everybody.
func (s *Service) AskPasskey(ctx context.Context) (options any, step string, err error) {
	return s.askPasskey(ctx, nil)
}

// AskPasskeyAgain is [Service.AskPasskey] for who is signed in already and proves
// it once more.
func (s *Service) AskPasskeyAgain(ctx context.Context, at Session) (options any, step string, err error) {
	return s.askPasskey(ctx, at.id)
}

func (s *Service) askPasskey(ctx context.Context, again []byte) (any, string, error) {
	if s.keys == nil {
		return nil, "", errNoPasskeys()
	}
	options, session, err := s.keys.party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, "", err
	}
	step, err := s.begin(ctx, s.Store.Read(), stepAsk, nil, asking{Session: *session, Again: again}, stepLife)
	return options, step, err
}

// errPasskey tells nobody why; the log has the reason.
func (s *Service) errPasskey(ctx context.Context, why error) error {
	if registry.IsDown(why) {
		return why
	}
	reason := why.Error()
	var of *protocol.Error
	if errors.As(why, &of) {
		reason = of.Type // its details may hold values of the request
	}
	s.Log.LogAttrs(ctx, slog.LevelInfo, "a passkey was refused", slog.String("reason", reason))
	return vaccination.Errorf(vaccination.Forbidden, "this passkey does not sign in here: use another, or another way")
}

// Passkey ends a sign-in by passkey with the browser's answer, JSON. old is the
// session it had. A passkey that is none of ours, or whose account is not active,
// is [vaccination.Forbidden].
func (s *Service) Passkey(ctx context.Context, step string, answer []byte, b Browser) (session string, err error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return "", s.errPasskey(ctx, err)
	}
	var ask asking
	if _, err := s.step(ctx, s.Store.Read(), stepAsk, step, true, &ask); err != nil { // a question counts once, also when the answer is wrong
		return "", err
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		var of *owner
		find := func(_, handle []byte) (webauthn.User, error) {
			row, err := q.StaffByHandle(ctx, handle)
			if err != nil {
				return nil, err
			}
			of, err = s.owner(ctx, q, &row)
			return of, err
		}
		_, used, err := s.keys.party.ValidatePasskeyLogin(find, ask.Session, parsed)
		switch {
		case err != nil:
			return s.errPasskey(ctx, err)
		case used.Authenticator.CloneWarning:
			return s.errPasskey(ctx, errors.New("it counts backwards, as a copy would"))
		case !s.usable(of.row.Origin, of.row.State):
			return s.errPasskey(ctx, errors.New("its account is not active"))
		}
		sealed, err := s.seal(of.row.ID, "passkey", used)
		if err != nil {
			return err
		}
		now := s.Now().UTC()
		if _, err := q.UseStaffPasskey(ctx, query.UseStaffPasskeyParams{ID: s.hash("passkey", string(used.ID)), Staff: of.row.ID, Sealed: sealed, At: &now}); err != nil {
			return err
		}
		if ask.Again == nil {
			session, err = s.open(ctx, q, of.row.ID, b, "passkey")
			return err
		}
		at, err := s.Session(ctx, b.Old)
		if err != nil {
			return err
		}
		if at.Member.ID != of.row.ID || !bytes.Equal(at.id, ask.Again) {
			return s.errPasskey(ctx, errors.New("it is somebody else's"))
		}
		session, err = s.renew(ctx, q, at, "passkey")
		return err
	})
	return session, err
}

// AddPasskey begins a new passkey for who is signed in and fresh: what
// navigator.credentials.create is to be given, and the secret of the step.
func (s *Service) AddPasskey(ctx context.Context, at Session) (options any, step string, err error) {
	err = s.own(ctx, at, func(q *query.Queries, row *query.Staff) error {
		options, step, err = s.addPasskey(ctx, q, row, nil)
		return err
	})
	return options, step, err
}

// AddFirstPasskey is [Service.AddPasskey] for who opened a link.
func (s *Service) AddFirstPasskey(ctx context.Context, link string) (options any, step string, err error) {
	q := s.Store.Read()
	_, row, err := s.invited(ctx, q, link, false)
	if err != nil {
		return nil, "", err
	}
	return s.addPasskey(ctx, q, row, s.hash("step", link))
}

func (s *Service) addPasskey(ctx context.Context, q *query.Queries, row *query.Staff, link []byte) (any, string, error) {
	if s.keys == nil {
		return nil, "", errNoPasskeys()
	}
	of, err := s.owner(ctx, q, row)
	if err != nil {
		return nil, "", err
	}
	if len(of.keys) >= maxPasskeys {
		return nil, "", vaccination.Errorf(vaccination.Conflict, "an account has at most %d passkeys: remove one first", maxPasskeys)
	}
	options, session, err := s.keys.party.BeginRegistration(of, webauthn.WithExclusions(webauthn.Credentials(of.keys).CredentialDescriptors()))
	if err != nil {
		return nil, "", err
	}
	step, err := s.begin(ctx, q, stepAdd, &row.ID, asking{Session: *session, Link: link}, stepLife)
	return options, step, err
}

// KeepPasskey ends [Service.AddPasskey] with the browser's answer, JSON. name is
// what its owner calls it.
func (s *Service) KeepPasskey(ctx context.Context, at Session, step, name string, answer []byte) error {
	return s.own(ctx, at, func(q *query.Queries, row *query.Staff) error {
		return s.keepPasskey(ctx, q, row, step, nil, name, answer)
	})
}

// AcceptPasskey uses a link with a first passkey, as [Service.Accept] with a
// password. There are no recovery codes: they are for who has a password.
func (s *Service) AcceptPasskey(ctx context.Context, link, step, name string, answer []byte, b Browser) (session string, err error) {
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		_, row, err := s.invited(ctx, q, link, true)
		if err != nil {
			return err
		}
		if err := s.keepPasskey(ctx, q, row, step, s.hash("step", link), name, answer); err != nil {
			return err
		}
		session, err = s.accepted(ctx, q, row, b)
		return err
	})
	return session, err
}

func (s *Service) keepPasskey(ctx context.Context, q *query.Queries, row *query.Staff, step string, link []byte, name string, answer []byte) error {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return s.errPasskey(ctx, err)
	}
	var ask asking
	p, err := s.step(ctx, q, stepAdd, step, true, &ask)
	if err != nil {
		return err
	}
	if *p.staff != row.ID || !bytes.Equal(ask.Link, link) {
		return s.errPasskey(ctx, errors.New("it was begun by somebody else"))
	}
	of, err := s.owner(ctx, q, row)
	if err != nil {
		return err
	}
	key, err := s.keys.party.CreateCredential(of, ask.Session, parsed)
	if err != nil {
		return s.errPasskey(ctx, err)
	}
	sealed, err := s.seal(row.ID, "passkey", key)
	if err != nil {
		return err
	}
	err = q.InsertStaffPasskey(ctx, query.InsertStaffPasskeyParams{ID: s.hash("passkey", string(key.ID)), Staff: row.ID, Name: keyName(name, len(of.keys)+1), Sealed: sealed, At: s.Now().UTC()})
	if registry.IsRace(err) {
		return s.errPasskey(ctx, errors.New("it is known already"))
	}
	if err != nil {
		return err
	}
	return s.audit(ctx, q, Actor(row.ID), "staff.factor.add", fmt.Sprint(row.ID), "passkey")
}

// keyName is a name for a list: one short line.
func keyName(name string, n int) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, "")))
	if runes := []rune(name); len(runes) > 40 {
		name = string(runes[:40])
	}
	if name == "" {
		name = fmt.Sprint("Passkey ", n)
	}
	return name
}

// RemovePasskey takes a passkey away from who is signed in and fresh, if a way to
// sign in remains.
func (s *Service) RemovePasskey(ctx context.Context, at Session, id string) error {
	return s.own(ctx, at, func(q *query.Queries, row *query.Staff) error {
		raw, err := encoding.DecodeString(id)
		if err != nil {
			return vaccination.Errorf(vaccination.NotFound, "there is no such passkey")
		}
		keys, err := q.StaffPasskeys(ctx, row.ID)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(keys, func(k query.StaffPasskeysRow) bool { return bytes.Equal(k.ID, raw) }) {
			return vaccination.Errorf(vaccination.NotFound, "there is no such passkey")
		}
		if row.Password == nil && len(keys) == 1 {
			return vaccination.Errorf(vaccination.Conflict, "one way to sign in must remain: add another first")
		}
		if _, err := q.DeleteStaffPasskey(ctx, query.DeleteStaffPasskeyParams{Staff: row.ID, ID: raw}); err != nil {
			return err
		}
		return s.audit(ctx, q, Actor(row.ID), "staff.factor.remove", fmt.Sprint(row.ID), "passkey")
	})
}
