// Package issuers recognises the tokens of identity providers: JSON Web Tokens
// (RFC 7519, 9068) as Keycloak makes them, signed with RS256 or ES256 by a key
// that the administrator named in a file ([Open]).
//
// What is trusted is closed: nothing in a token says where its key is, the kind
// of key fixes the algorithm, and each issuer vouches for what the file lets it.
package issuers

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

// Bounds of a token.
const (
	maxToken = 16 << 10 // bytes
	maxKeyID = 200      // bytes
)

// Options are what a Set needs; all are required.
type Options struct {
	Now    func() time.Time
	Client *http.Client // fetches keys; see [Client]
	Log    *slog.Logger
}

// Set is the issuers whose tokens count. It is safe for concurrent use.
type Set struct {
	Options
	issuers map[string]*issuer // by the name in their tokens
}

// issuer is one identity provider and what it may vouch for.
type issuer struct {
	settings
	keys *keySet
}

// said is what a token says that means something here.
type said struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  jwt.Audience     `json:"aud"`
	Expires   *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
	Type      string           `json:"typ"` // Keycloak's: Bearer, ID, Refresh
	Bound     json.RawMessage  `json:"cnf"`
}

// Recognise is [access.Recogniser].
func (s *Set) Recognise(ctx context.Context, token string) (access.Caller, error) {
	by, of, err := s.recognise(ctx, token)
	if err != nil {
		name := "none"
		if of != nil {
			name = of.name
		}
		s.Log.LogAttrs(ctx, slog.LevelInfo, "a token of an issuer was refused", slog.String("issuer", name), slog.String("reason", err.Error()))
	}
	return by, err
}

func refused(why string) error {
	return vaccination.Errorf(vaccination.Unauthorized, "no valid token: %s", why)
}

func (s *Set) recognise(ctx context.Context, token string) (by access.Caller, of *issuer, err error) {
	// 1. What it says of itself, before anything of it is believed.
	if len(token) > maxToken {
		return by, nil, refused("it is too large")
	}
	signed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil || len(signed.Headers) != 1 {
		return by, nil, refused("it is neither a token of this server nor one of an issuer's, signed with RS256 or ES256")
	}
	header := signed.Headers[0]
	if _, critical := header.ExtraHeaders["crit"]; critical || header.KeyID == "" || len(header.KeyID) > maxKeyID {
		return by, nil, refused("its header names no key, or asks for what is not done here")
	}
	var first struct {
		Issuer string `json:"iss"`
	}
	if err := signed.UnsafeClaimsWithoutVerification(&first); err != nil {
		return by, nil, refused("it holds no claims")
	}
	of = s.issuers[first.Issuer]
	if of == nil {
		return by, nil, refused("its issuer is not one of those whose tokens count here")
	}
	// 2. Its signature, by a key of that issuer.
	key, known, err := of.keys.find(ctx, header.KeyID)
	if err != nil {
		return by, of, vaccination.Errorf(vaccination.Unavailable, "the keys of this token's issuer cannot be had just now: send the same request again in a moment")
	}
	if !known {
		return by, of, refused("its issuer has no such key")
	}
	var c said
	var all map[string]any
	if signed.Claims(key, &c, &all) != nil { // of the two algorithms, each kind of key has one
		return by, of, refused("its signature is wrong")
	}
	// 3. What it is for, and when.
	if err := of.check(&c, s.Now()); err != nil {
		return by, of, err
	}
	// 4. Who that is here.
	by, err = of.caller(&c, all)
	return by, of, err
}

// check says whether a token that is its issuer's counts here and now.
func (i *settings) check(c *said, now time.Time) error {
	switch {
	case c.Issuer != i.issuer: // read once more, from what is signed
		return refused("its issuer is not one of those whose tokens count here")
	case c.Type != "" && !strings.EqualFold(c.Type, "Bearer"):
		return refused("it is not an access token")
	case len(c.Bound) > 0 && string(c.Bound) != "null":
		return refused("it is bound to a key of its bearer, which is not checked here: have one made without")
	case i.audience != "" && !c.Audience.Contains(i.audience):
		return refused("it is meant for another audience")
	case c.Expires == nil:
		return refused("it never expires")
	case !now.Before(c.Expires.Time().Add(i.skew)):
		return refused("it has expired: get a new one from its issuer")
	case c.NotBefore != nil && now.Add(i.skew).Before(c.NotBefore.Time()):
		return refused("it is not valid yet")
	case c.IssuedAt != nil && now.Add(i.skew).Before(c.IssuedAt.Time()):
		return refused("it is from the future: the clocks of its issuer and of this server differ")
	}
	return nil
}

// Run keeps the keys of all issuers fresh until ctx ends, so that one that was
// withdrawn ends too.
func (s *Set) Run(ctx context.Context) {
	every := time.NewTicker(refreshEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			for _, i := range s.issuers {
				i.keys.refresh(ctx)
			}
		}
	}
}
