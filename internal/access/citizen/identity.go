package citizen

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/opendivoc/divoc/internal/access/claims"
	"github.com/opendivoc/divoc/internal/access/party"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// The addresses of a sign-in at the country's identity provider. The provider is
// told all but the first.
const (
	IdentityPath = "/my/identity"
	ReturnPath   = IdentityPath + "/return"    // redirect URI
	EndedPath    = IdentityPath + "/ended"     // back-channel logout URI
	KeysPath     = IdentityPath + "/keys.json" // jwks_uri
	OutPath      = "/my/left"                  // post-logout redirect URI
)

// awayLife is how long somebody may take at the provider.
const awayLife = 10 * time.Minute

// clientKey names the key that this service proves with who it is there.
const clientKey = "citizen-identity"

// identity is the country's identity provider for citizens.
type identity struct {
	at                  *party.Party
	kind                string
	number, phone, sure claims.Path // nil for what is not asked
	birth               claims.Path
	asked               string // the parameter "claims" (OpenID Connect Core 1.0, section 5.5)
	ways                []string
	back, out           string
}

func (s *Service) newIdentity(c *profile.CitizenIdentity) *identity {
	path := func(text string) claims.Path {
		p, ok := claims.ParsePath(text)
		if !ok {
			return nil
		}
		return p
	}
	i := &identity{
		kind: c.Claims.Kind, number: path(c.Claims.Identity), phone: path(c.Claims.Phone), birth: path(c.Claims.BirthDate),
		ways: c.ACR, back: s.PublicURL + ReturnPath, out: s.PublicURL + OutPath,
		at: party.New(party.Options{Issuer: c.Issuer, ClientID: c.ClientID, Names: c.Names, Scopes: c.Scopes, Client: s.Identity, Key: s.ClientKey}),
	}
	ask := map[string]any{}
	for _, p := range []claims.Path{i.number, i.phone, i.birth} {
		if p != nil {
			ask[p[0]] = map[string]bool{"essential": true}
		}
	}
	if i.phone != nil {
		i.sure = slices.Clone(i.phone)
		i.sure[len(i.sure)-1] += "_verified"
		ask[i.sure[0]] = nil
	}
	text, err := json.Marshal(map[string]any{"userinfo": ask})
	if err != nil {
		panic("citizen: names of claims cannot be written as JSON: " + err.Error())
	}
	i.asked = string(text)
	return i
}

// IdentityName is what people call the country's identity provider in a language;
// "" where citizens cannot sign in at one.
func (s *Service) IdentityName(language string) string {
	if s == nil || s.provider == nil {
		return ""
	}
	return s.provider.at.Name(language)
}

func errNoIdentity() error {
	return vaccination.Errorf(vaccination.NotFound, "there is no identity provider for citizens here")
}

func errIdentityDown() error {
	return vaccination.Errorf(vaccination.Unavailable, "the identity provider does not answer just now: try again in a moment, or have a code sent")
}

// BeginIdentity begins a sign-in at the identity provider: where to send the
// browser, and the secret that binds what it brings back to it. Whoever used the
// browser before them, they prove there anew who they are. The error is
// [vaccination.Unavailable] where the provider does not answer.
func (s *Service) BeginIdentity(ctx context.Context, language string) (address, secret string, err error) {
	if s.provider == nil {
		return "", "", errNoIdentity()
	}
	more := []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("claims", s.provider.asked), oauth2.SetAuthURLParam("ui_locales", language)}
	if len(s.provider.ways) > 0 {
		more = append(more, oauth2.SetAuthURLParam("acr_values", strings.Join(s.provider.ways, " ")))
	}
	address, w, err := s.provider.at.Begin(ctx, s.provider.back, s.Now(), s.secret, true, more...)
	if err != nil {
		return "", "", s.unreachable(err)
	}
	if secret, err = s.secret(); err != nil {
		return "", "", err
	}
	text, err := json.Marshal(w)
	if err != nil {
		return "", "", err
	}
	now, id := s.Now().UTC(), s.key("away", secret)
	sealed, err := s.Box.Seal(text, id)
	if err != nil {
		return "", "", err
	}
	return address, secret, s.Store.Tx(ctx, func(q *query.Queries) error {
		if err := q.ForgetCitizenAway(ctx, now); err != nil {
			return err
		}
		return q.InsertCitizenAway(ctx, query.InsertCitizenAwayParams{ID: id, Sealed: sealed, ExpiresAt: now.Add(awayLife)})
	})
}

// unreachable is how an error of asking the provider is told.
func (s *Service) unreachable(err error) error {
	var u *party.Unreachable
	if !errors.As(err, &u) {
		return err
	}
	s.Log.Warn("the citizens' identity provider does not answer", slog.String("error", u.Cause.Error()))
	return errIdentityDown()
}

// EndIdentity ends a sign-in at the identity provider with what the browser
// brought back, and returns the secret of a new session; the one before ends. born
// is the date of birth that the provider vouches for, the unknown date for none.
//
// The error is [vaccination.NotFound] for a sign-in that another browser began,
// that ended or was used; [vaccination.Forbidden] for an answer that is not to be
// believed; [vaccination.Invalid] where the provider says nothing by which a
// record could be found; [vaccination.Unavailable] where it does not answer;
// [party.WentBack] for who did not sign in there.
func (s *Service) EndIdentity(ctx context.Context, secret string, answer url.Values, before string) (session string, born vaccination.Date, err error) {
	if s.provider == nil {
		return "", born, errNoIdentity()
	}
	over := vaccination.Errorf(vaccination.NotFound, "this took too long, or was used already: begin again")
	if secret == "" {
		return "", born, over
	}
	id := s.key("away", secret)
	sealed, err := s.Store.Read().TakeCitizenAway(ctx, query.TakeCitizenAwayParams{ID: id, At: s.Now().UTC()})
	if registry.IsNone(err) {
		return "", born, over
	}
	if err != nil {
		return "", born, err
	}
	text, err := s.Box.Unseal(sealed, id)
	if err != nil {
		return "", born, err
	}
	var w party.Away
	if err := json.Unmarshal(text, &w); err != nil {
		return "", born, err
	}
	said, err := s.provider.said(ctx, w, answer, s.Now)
	var why party.Refusal
	if errors.Is(err, party.WentBack) {
		return "", born, err
	}
	if errors.As(err, &why) {
		s.Log.LogAttrs(ctx, slog.LevelInfo, "a sign-in at the citizens' identity provider was refused", slog.String("reason", why.Error()))
		return "", born, vaccination.Errorf(vaccination.Forbidden, "the answer of the identity provider cannot be used")
	}
	if err != nil {
		return "", born, s.unreachable(err)
	}
	all := said.Claims
	of := s.proven(all)
	of.subject = s.key("provider subject", s.provider.at.Issuer+" "+said.Subject)
	if said.Session != "" {
		of.session = s.key("provider session", s.provider.at.Issuer+" "+said.Session)
	}
	if of.number == nil && of.identities == nil {
		return "", born, vaccination.Errorf(vaccination.Invalid, "the identity provider says nothing by which a record could be found")
	}
	if session, err = s.secret(); err != nil {
		return "", born, err
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		_, err := s.begin(ctx, q, session, before, of)
		return err
	})
	if err != nil {
		return "", born, err
	}
	if d, wrong := vaccination.ParseDate(s.provider.text(s.provider.birth, all)); wrong == nil && d.Precision() == vaccination.PrecisionDay {
		born = d
	}
	return session, born, nil
}

// said is what the provider says of who came back: in the ID token, and what that
// lacks of what is asked, when asked for it.
func (i *identity) said(ctx context.Context, w party.Away, answer url.Values, now func() time.Time) (*party.Said, error) {
	said, err := i.at.End(ctx, i.back, w, answer, now)
	if err != nil {
		return nil, err
	}
	lacks := slices.ContainsFunc([]claims.Path{i.number, i.phone, i.birth}, func(p claims.Path) bool { return p != nil && len(p.At(said.Claims)) == 0 })
	if !lacks {
		return said, nil
	}
	more, err := i.at.UserInfo(ctx, said, now)
	if err != nil {
		return nil, err
	}
	for name, value := range more {
		if _, there := said.Claims[name]; !there {
			said.Claims[name] = value
		}
	}
	return said, nil
}

// proven are the blind indexes of what the provider vouches for. A number that it
// says it did not verify, or that cannot be one, is nobody's.
func (s *Service) proven(all map[string]any) proof {
	of, i := proof{provider: true}, s.provider
	if text := i.text(i.number, all); text != "" {
		if number, err := s.Profile.Identity(i.kind, text); err == nil {
			for _, form := range number.Forms {
				of.identities = append(of.identities, s.Box.Index(seal.NationalID, form))
			}
		}
	}
	if text := i.text(i.phone, all); text != "" {
		unsure := slices.ContainsFunc(i.sure.At(all), func(v any) bool { return v != true && v != "true" })
		if number, err := s.Profile.Phone(text); err == nil && !unsure {
			of.number = s.Box.Index(seal.Mobile, number)
		}
	}
	return of
}

func (i *identity) text(p claims.Path, all map[string]any) string {
	if p == nil {
		return ""
	}
	return p.Text(all)
}

// IdentityLeft is where a browser signs out at the identity provider too, "" for
// nowhere. No token is kept that could tell it who that is, so it asks.
func (s *Service) IdentityLeft(ctx context.Context) string {
	if s.provider == nil {
		return ""
	}
	return s.provider.at.SignOutURL(ctx, "", s.provider.out)
}

// EndedIdentity ends the sessions that a logout token of the identity provider names
// (OpenID Connect Back-Channel Logout 1.0): those of its own session, or all that
// began there for somebody. The error is [vaccination.Invalid] for what is not to be
// believed or came before, [vaccination.NotFound] where there is no provider, and
// [vaccination.Unavailable] where it does not answer.
func (s *Service) EndedIdentity(ctx context.Context, token string) error {
	if s == nil || s.provider == nil {
		return errNoIdentity()
	}
	issuer := s.provider.at.Issuer
	left, err := s.provider.at.SignedOut(ctx, token, s.Now)
	if why := party.Refusal(""); errors.As(err, &why) {
		s.Log.LogAttrs(ctx, slog.LevelInfo, "a logout token for citizens was refused", slog.String("reason", why.Error()))
		return party.ErrNoLogout()
	}
	if err != nil {
		return s.unreachable(err)
	}
	var of query.EndCitizenSessionsOfParams
	if left.Session != "" {
		of.Session = s.key("provider session", issuer+" "+left.Session)
	} else {
		of.Subject = s.key("provider subject", issuer+" "+left.Subject)
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		if err := left.Once(ctx, q, s.Now(), func(name string) []byte { return s.key("logout token", name) }); err != nil {
			return err
		}
		ended, err := q.EndCitizenSessionsOf(ctx, of)
		if err != nil {
			return err
		}
		for _, seq := range ended {
			if err := s.audit(ctx, q, actor(seq), nil, "citizen.out", "", "at the identity provider"); err != nil {
				return err
			}
		}
		return nil
	})
}

// ClientKey is what this service proves with who it is at the identity provider;
// it is made when it is first asked for. It is sealed, and one for all servers of
// a database.
func (s *Service) ClientKey(ctx context.Context) (*party.Key, error) {
	q, aad := s.Store.Read(), []byte("client key "+clientKey)
	sealed, err := q.ClientKey(ctx, clientKey)
	if registry.IsNone(err) {
		if err := s.makeClientKey(ctx, aad, "client-key.make"); err != nil {
			return nil, err
		}
		sealed, err = q.ClientKey(ctx, clientKey)
	}
	if err != nil {
		return nil, err
	}
	private, err := s.Box.Unseal(sealed, aad)
	if err != nil {
		return nil, err
	}
	return party.ParseKey(private)
}

// makeClientKey stores a new key where there is none.
func (s *Service) makeClientKey(ctx context.Context, aad []byte, act string) error {
	key, err := party.NewKey(s.Random)
	if err != nil {
		return err
	}
	private, err := key.Private()
	if err != nil {
		return err
	}
	sealed, err := s.Box.Seal(private, aad)
	if err != nil {
		return err
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		if act == "client-key.renew" {
			if _, err := q.DeleteClientKey(ctx, clientKey); err != nil {
				return err
			}
		}
		if err := q.InsertClientKey(ctx, query.InsertClientKeyParams{Name: clientKey, Sealed: sealed, MadeAt: s.Now().UTC()}); err != nil {
			return err
		}
		return s.audit(ctx, q, "system:keys", nil, act, clientKey, "")
	})
}

// RenewClientKey makes another key in the place of the one there is. Nobody can
// sign in at the provider until it has the new one.
func (s *Service) RenewClientKey(ctx context.Context) error {
	return s.makeClientKey(ctx, []byte("client key "+clientKey), "client-key.renew")
}

// ClientKeys is the JSON Web Key Set that the identity provider is given, and
// [vaccination.NotFound] where there is no provider.
func (s *Service) ClientKeys(ctx context.Context) ([]byte, error) {
	if s == nil || s.provider == nil {
		return nil, errNoIdentity()
	}
	key, err := s.ClientKey(ctx)
	if err != nil {
		return nil, err
	}
	return key.Public()
}
