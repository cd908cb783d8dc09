package profile

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/internal/strictyaml"
)

// CitizenIdentity is the country's identity provider for citizens (OpenID
// Connect, such as MOSIP's eSignet) and what of what it says counts here.
type CitizenIdentity struct {
	Issuer   string            `yaml:"issuer"` // as it calls itself, to the letter
	ClientID string            `yaml:"clientID"`
	Names    map[string]string `yaml:"name"`      // language → what people call it
	Scopes   []string          `yaml:"scopes"`    // [openid] where nothing is said
	ACR      []string          `yaml:"acrValues"` // how somebody may prove there who they are
	Claims   CitizenClaims     `yaml:"claims"`
}

// CitizenClaims are where the provider says something, names of claims with dots
// between them; "" for what is not asked.
type CitizenClaims struct {
	Identity  string `yaml:"identity"`  // the number of an identity document
	Kind      string `yaml:"kind"`      // of that document: a key of [Profile.Identities]
	Phone     string `yaml:"phone"`     // a telephone number that it verified
	BirthDate string `yaml:"birthDate"` // a whole date, YYYY-MM-DD
}

func (p *Profile) takeCitizenIdentity(c *CitizenIdentity, f *strictyaml.Document) {
	if p.CitizenIdentity = c; c == nil {
		return
	}
	const at = "citizenIdentity."
	u, err := url.Parse(c.Issuer)
	local := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1")
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !local) {
		f.At(at+"issuer", "say the issuer exactly as the provider calls itself, with https, or http on this machine (localhost)")
	}
	if c.ClientID == "" {
		f.At(at+"clientID", "say under which name this service is registered there")
	}
	p.translated(c.Names, at+"name", f)
	if c.Scopes == nil {
		c.Scopes = []string{"openid"}
	}
	if !slices.Contains(c.Scopes, "openid") {
		f.At(at+"scopes", "openid must be one of them")
	}
	paths := map[string]string{"identity": c.Claims.Identity, "phone": c.Claims.Phone, "birthDate": c.Claims.BirthDate}
	for _, key := range slices.Sorted(maps.Keys(paths)) {
		if path := paths[key]; path != "" && slices.Contains(strings.Split(path, "."), "") {
			f.At(at+"claims."+key, "names of claims with dots between them, such as phone_number")
		}
	}
	if c.Claims.Identity == "" && c.Claims.Phone == "" {
		f.At(at+"claims", "say by which claim a record is found: identity, the number of a document, or phone")
	}
	known := slices.ContainsFunc(p.Identities, func(k IdentityKind) bool { return k.Key == c.Claims.Kind })
	if (c.Claims.Identity != "") != (c.Claims.Kind != "") || c.Claims.Kind != "" && !known {
		f.At(at+"claims.kind", "say of which kind of identities of this profile the claim identity is")
	}
}
