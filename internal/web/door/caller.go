package door

import (
	"net/http"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

// Bearer recognises the caller of r by the token in its Authorization header.
// None, a wrong one or more than one is [vaccination.Unauthorized]: of two, a
// proxy in front may have looked at the other.
func Bearer(r *http.Request, tokens access.Tokens) (access.Caller, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(r.Header.Values("Authorization")) > 1 {
		return access.Caller{}, vaccination.Errorf(vaccination.Unauthorized, "this needs a token: send the header \"Authorization: Bearer TOKEN\"; `divoc token create` makes one")
	}
	return tokens.Authenticate(r.Context(), strings.TrimSpace(secret))
}
