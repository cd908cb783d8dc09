package door

import (
	"context"
	"net/http"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

type callerKey struct{}

// WithCaller returns ctx with the caller of the request.
func WithCaller(ctx context.Context, c access.Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// Caller returns who is calling; the zero Caller, who may do nothing, when
// nobody was recognised.
func Caller(ctx context.Context) access.Caller {
	c, _ := ctx.Value(callerKey{}).(access.Caller)
	return c
}

// Bearer recognises the caller of r by the token in its Authorization header.
// None or a wrong one is [vaccination.Unauthorized].
func Bearer(r *http.Request, tokens access.Tokens) (access.Caller, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return access.Caller{}, vaccination.Errorf(vaccination.Unauthorized, "this needs a token: send the header \"Authorization: Bearer TOKEN\"; `divoc token create` makes one")
	}
	return tokens.Authenticate(r.Context(), strings.TrimSpace(secret))
}
