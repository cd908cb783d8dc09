package access

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// tokenPrefix lets secret scanners and people recognise a token.
const tokenPrefix = "divoc_"

// tokenEncoding has no padding and survives being read aloud.
var tokenEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Tokens makes, recognises and revokes API tokens. A token's secret is shown
// once and kept as a hash (SHA-256 of 160 random bits needs no stretching).
type Tokens struct {
	Store  *registry.Store
	Now    func() time.Time
	Random io.Reader
	Others Recogniser // of tokens that others made; nil when only ours count
}

// Recogniser recognises tokens that somebody else made.
type Recogniser interface {
	// Recognise returns the caller a token stands for. A token that is not to be
	// believed is [vaccination.Unauthorized], one whose bearer has no business
	// here [vaccination.Forbidden]; where it cannot be told just now,
	// [vaccination.Unavailable].
	Recognise(ctx context.Context, token string) (Caller, error)
}

// TokenInfo is what is known of a token, without its secret.
type TokenInfo struct {
	ID     int64
	Name   string
	Role   Role
	Source string
	// Programme is the one the token is for, Facility where its bearer works; both
	// empty for no bound.
	Programme string
	Facility  string
	Created   time.Time
	Expires   time.Time
	Revoked   *time.Time
}

// NewToken says what token to make.
type NewToken struct {
	Name   string
	Role   Role
	Source string // for SourceRole; the source is made when it is new
	// Programme bounds what a source delivers and reads; empty for every one.
	Programme string
	// Facility is the code of the one that FacilityStaff print at.
	Facility string
	For      time.Duration // how long it is good
}

// AdminDoor stands where a source does for what administrators deliver. A source
// of that name would own it.
const AdminDoor = "admin"

// Abroad stands where a source does for doses given abroad that people recorded
// here from evidence.
const Abroad = "abroad"

// maxName bounds the name of a token.
const maxName = 100

// scopeName is the key of a programme or the code of a facility.
var scopeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,59}$`)

var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// CheckSource says whether a source may have this name; the error is
// [vaccination.Invalid].
func CheckSource(name string) error {
	if !sourceName.MatchString(name) || name == AdminDoor || name == Abroad {
		return vaccination.Errorf(vaccination.Invalid, "a source's name has 1 to 40 small letters, digits and hyphens, and is not %q or %q", AdminDoor, Abroad)
	}
	return nil
}

// Create makes a token and returns its secret, which cannot be read again.
// A wrong role, a source where none belongs or none where one does is
// [vaccination.Invalid]. One that a member of staff makes is their own, unless it is
// a source's: it counts as them where two people answer for something, and as long
// as they might make it.
func (t Tokens) Create(ctx context.Context, by Caller, n NewToken) (string, error) {
	if !slices.Contains(Roles(), n.Role) {
		return "", vaccination.Errorf(vaccination.Invalid, "unknown role: use one of %s", join(Roles()))
	}
	if (n.Role == SourceRole) != (n.Source != "") {
		return "", vaccination.Errorf(vaccination.Invalid, "a token of role %q needs --source NAME, and only that role has one", SourceRole)
	}
	if n.Source != "" {
		if err := CheckSource(n.Source); err != nil {
			return "", err
		}
	}
	if n.Programme != "" && (n.Role != SourceRole || !scopeName.MatchString(n.Programme)) {
		return "", vaccination.Errorf(vaccination.Invalid, "a programme is named by its key, and only a token of role %q is for one", SourceRole)
	}
	if (n.Role == FacilityStaff) != (n.Facility != "") || n.Facility != "" && !scopeName.MatchString(n.Facility) {
		return "", vaccination.Errorf(vaccination.Invalid, "a token of role %q needs --facility CODE, and only that role has one", FacilityStaff)
	}
	if n.For <= 0 {
		return "", vaccination.Errorf(vaccination.Invalid, "a token must expire: give a duration above zero")
	}
	if n.Name == "" {
		n.Name = string(n.Role)
		if n.Source != "" {
			n.Name = n.Source
		}
		if n.Facility != "" {
			n.Name += " " + n.Facility
		}
	}
	// The name stands in every entry of the audit that the token makes.
	if len(n.Name) > maxName || !utf8.ValidString(n.Name) || strings.ContainsFunc(n.Name, unicode.IsControl) {
		return "", vaccination.Errorf(vaccination.Invalid, "a token's name is one line of at most %d bytes", maxName)
	}
	raw := make([]byte, 20)
	if _, err := io.ReadFull(t.Random, raw); err != nil {
		return "", err
	}
	secret := tokenPrefix + strings.ToLower(tokenEncoding.EncodeToString(raw))
	now := t.Now().UTC()
	err := t.Store.Tx(ctx, func(q *query.Queries) error {
		var source *string
		if n.Source != "" {
			source = &n.Source
			if err := q.EnsureSource(ctx, query.EnsureSourceParams{Name: n.Source, CreatedAt: now}); err != nil {
				return err
			}
		}
		id, err := q.InsertToken(ctx, query.InsertTokenParams{
			Name: n.Name, Role: string(n.Role), Source: source, Programme: n.Programme, Facility: n.Facility, Hash: hashToken(secret), CreatedAt: now, ExpiresAt: now.Add(n.For), CreatedBy: by.Actor,
		})
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{
			Chain: registry.AdminChain, Act: "token.create", Object: fmt.Sprint(id), Detail: registry.TokenScope(string(n.Role), n.Source, n.Facility, n.Programme) + registry.MarkUntil + now.Add(n.For).Format(time.RFC3339),
		})
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// Authenticate returns the caller that a secret stands for, or
// [vaccination.Unauthorized]: unknown, expired and revoked tokens look alike.
func (t Tokens) Authenticate(ctx context.Context, secret string) (Caller, error) {
	refused := vaccination.Errorf(vaccination.Unauthorized, "no valid token: send the header \"Authorization: Bearer TOKEN\" with a token that has not expired")
	if !strings.HasPrefix(secret, tokenPrefix) && t.Others != nil && secret != "" {
		return t.Others.Recognise(ctx, secret)
	}
	if !strings.HasPrefix(secret, tokenPrefix) || len(secret) > 100 {
		return Caller{}, refused
	}
	row, err := t.Store.Read().TokenByHash(ctx, hashToken(secret))
	if registry.IsNone(err) {
		return Caller{}, refused
	}
	if err != nil {
		return Caller{}, err
	}
	made := member(row.CreatedBy)
	if row.RevokedAt != nil || !t.Now().Before(row.ExpiresAt) || made != "" && !row.Stands {
		return Caller{}, refused
	}
	owner := made
	if Role(row.Role) == SourceRole {
		owner = "" // a system's
	}
	c := Caller{Actor: tokenActor(row.ID, owner, row.Name), Role: Role(row.Role), Source: AdminDoor, Programme: row.Programme, Facility: row.Facility}
	if c.Facility != "" {
		c.Source = "" // a desk delivers nothing
	}
	if row.Source != nil {
		c.Source = *row.Source
	}
	return c, nil
}

// List returns every token, oldest first.
func (t Tokens) List(ctx context.Context) ([]TokenInfo, error) {
	rows, err := t.Store.Read().ListTokens(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]TokenInfo, len(rows))
	for i, r := range rows {
		out[i] = TokenInfo{ID: r.ID, Name: r.Name, Role: Role(r.Role), Programme: r.Programme, Facility: r.Facility, Created: r.CreatedAt, Expires: r.ExpiresAt, Revoked: r.RevokedAt}
		if r.Source != nil {
			out[i].Source = *r.Source
		}
	}
	return out, nil
}

// Revoke ends a token at once. An unknown or already revoked one is
// [vaccination.NotFound].
func (t Tokens) Revoke(ctx context.Context, by Caller, id int64) error {
	now := t.Now().UTC()
	return t.Store.Tx(ctx, func(q *query.Queries) error {
		n, err := q.RevokeToken(ctx, query.RevokeTokenParams{ID: id, RevokedAt: &now})
		if err != nil {
			return err
		}
		if n == 0 {
			return vaccination.Errorf(vaccination.NotFound, "there is no live token %d: `divoc token list` shows them", id)
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.AdminChain, Act: "token.revoke", Object: fmt.Sprint(id)})
	})
}

func hashToken(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

func join(roles []Role) string {
	s := make([]string, len(roles))
	for i, r := range roles {
		s[i] = string(r)
	}
	return strings.Join(s, ", ")
}
