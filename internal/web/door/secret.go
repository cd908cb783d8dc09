package door

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

// SourceSecret is the token of a request of a source system, in any of the ways
// such systems can send one: as the password of Basic, as a Bearer token, or in a
// header of its own. Two are refused: of two, a proxy in front may have looked at
// the other.
func SourceSecret(r *http.Request) (string, error) {
	none := vaccination.Errorf(vaccination.Unauthorized, "this needs a token of the source: as the password of Basic, as a Bearer token, or in the header X-API-Key; `divoc token create --role source --source NAME` makes one")
	header, key := r.Header.Values("Authorization"), r.Header.Values("X-Api-Key")
	if len(header)+len(key) != 1 {
		return "", none
	}
	if len(key) == 1 {
		return strings.TrimSpace(key[0]), nil
	}
	scheme, value, _ := strings.Cut(header[0], " ")
	value = strings.TrimSpace(value)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return value, nil
	case strings.EqualFold(scheme, "Basic"):
		if plain, err := base64.StdEncoding.DecodeString(value); err == nil {
			_, password, _ := strings.Cut(string(plain), ":")
			return password, nil
		}
	}
	return "", none
}
