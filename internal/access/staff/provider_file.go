package staff

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/claims"
	"github.com/opendivoc/divoc/internal/access/party"
	"github.com/opendivoc/divoc/internal/strictyaml"
)

// providerDocument is the form of the file that names the identity provider.
// docs/access.md explains every key; a test compares the two.
type providerDocument struct {
	Issuer        string            `yaml:"issuer"`
	Name          map[string]string `yaml:"name"`
	ClientID      string            `yaml:"clientID"`
	SecretFile    string            `yaml:"clientSecretFile"`
	Scopes        []string          `yaml:"scopes"`
	NameClaim     string            `yaml:"nameClaim"`
	RolesClaim    string            `yaml:"rolesClaim"`
	Roles         map[string]string `yaml:"roles"`
	FacilityClaim string            `yaml:"facilityClaim"`
	Facilities    map[string]string `yaml:"facilities"`
}

// What counts where the file says nothing.
const (
	defaultNameClaim     = "name"
	defaultRolesClaim    = "roles"
	defaultFacilityClaim = "facility_code"
	maxProviderFile      = 1 << 20
)

// ReadProvider reads the file that names the identity provider where staff sign
// in; its secret is read too, and nothing is fetched. The error names every fault
// with file and line.
func ReadProvider(path string, client *http.Client) (*Provider, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxProviderFile {
		err = errors.New("it is too large")
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the file of the staff's identity provider cannot be read: %w", err)
	}
	f := strictyaml.New(path)
	var d providerDocument
	p := &Provider{}
	if f.Decode(text, &d) {
		p.take(d, filepath.Dir(path), client, f)
	}
	return p, f.Err()
}

func (p *Provider) take(d providerDocument, dir string, client *http.Client, f *strictyaml.Document) {
	o := party.Options{Issuer: d.Issuer, ClientID: d.ClientID, Names: d.Name, Client: client}
	if !party.GoodIssuer(d.Issuer) {
		f.At("issuer", "say the issuer exactly as the provider calls itself, such as https://id.example.org/realms/health; with https, or http on this machine (localhost)")
	}
	if d.ClientID == "" {
		f.At("clientID", "say under which name this service is registered there")
	}
	if d.SecretFile != "" {
		at := d.SecretFile
		if !filepath.IsAbs(at) {
			at = filepath.Join(dir, at)
		}
		secret, err := os.ReadFile(at)
		if o.Secret = strings.TrimSpace(string(secret)); err != nil || o.Secret == "" {
			f.At("clientSecretFile", "the file cannot be read, or is empty")
		}
	}
	o.Scopes = []string{"openid", "profile"}
	if d.Scopes != nil {
		if o.Scopes = d.Scopes; !slices.Contains(d.Scopes, "openid") {
			f.At("scopes", "openid must be one of them")
		}
	}
	p.at = party.New(o)
	path := func(key, value, otherwise string) claims.Path {
		if value == "" {
			value = otherwise
		}
		out, ok := claims.ParsePath(value)
		if !ok {
			f.At(key, "names of claims with dots between them, such as %s", otherwise)
		}
		return out
	}
	p.nameClaim = path("nameClaim", d.NameClaim, defaultNameClaim)
	p.rolesClaim = path("rolesClaim", d.RolesClaim, defaultRolesClaim)
	p.facilityClaim = path("facilityClaim", d.FacilityClaim, defaultFacilityClaim)
	p.facilities = d.Facilities
	p.roles = map[string]access.Role{}
	if len(d.Roles) == 0 {
		f.At("roles", "say which of its roles mean what here, such as desk: facility-staff")
	}
	for theirs, role := range d.Roles {
		if !slices.Contains(Roles(), access.Role(role)) {
			f.At("roles."+theirs, "the roles of staff are %s", joinRoles(Roles()))
		}
		p.roles[theirs] = access.Role(role)
	}
}
