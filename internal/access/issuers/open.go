package issuers

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/claims"
	"github.com/opendivoc/divoc/internal/strictyaml"
)

// document is the form of the file that names the issuers. Every key is
// explained in docs/divoc-api.md; a test compares the two.
type document struct {
	Issuers []issuerDocument `yaml:"issuers"`
}

type issuerDocument struct {
	Name        string            `yaml:"name"`
	Issuer      string            `yaml:"issuer"`
	Keys        string            `yaml:"keys"`
	Audience    string            `yaml:"audience"`
	Skew        *int              `yaml:"clockSkewSeconds"`
	RolesClaim  string            `yaml:"rolesClaim"`
	Roles       map[string]string `yaml:"roles"`
	SourceClaim string            `yaml:"sourceClaim"`
	Sources     map[string]string `yaml:"sources"`
	MobileClaim string            `yaml:"mobileClaim"`

	FacilityClaim string            `yaml:"facilityClaim"`
	Facilities    map[string]string `yaml:"facilities"`
}

// What counts where the file says nothing: where Keycloak puts it.
const (
	defaultRolesClaim  = "resource_access.*.roles"
	defaultSourceClaim = "azp"
	defaultMobileClaim = "preferred_username"
	defaultFacility    = "facility_code"
	defaultSkew        = 30  // seconds
	maxSkew            = 300 // seconds
	maxFile            = 1 << 20
)

var issuerName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,19}$`)

// Open reads the file that names the issuers, and their keys. The error names
// every fault with file and line. Keys that cannot be fetched from an address
// just now are no error: they are asked for again when a token needs them.
func Open(ctx context.Context, path string, o Options) (*Set, error) {
	s, err := read(path, o)
	if err != nil {
		return nil, err
	}
	for _, i := range s.issuers {
		i.keys.refresh(ctx)
		o.Log.LogAttrs(ctx, slog.LevelInfo, "tokens of an issuer count here", slog.String("issuer", i.name), slog.Int("keys", len(i.keys.keys)))
	}
	return s, nil
}

// Check says what is wrong with the file that names the issuers, and fetches
// nothing.
func Check(path string) error {
	_, err := read(path, Options{})
	return err
}

func read(path string, o Options) (*Set, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the file of token issuers cannot be read: %w", err)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("the file of token issuers %s is larger than %d bytes", path, maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the file of token issuers cannot be read: %w", err)
	}
	f := strictyaml.New(path)
	s := &Set{Options: o, issuers: map[string]*issuer{}}
	var doc document
	if f.Decode(text, &doc) {
		if len(doc.Issuers) == 0 {
			f.At("issuers", "name at least one issuer")
		}
		names := map[string]bool{}
		for n, d := range doc.Issuers {
			at := fmt.Sprintf("issuers.%d", n+1)
			i := d.settings(at, f)
			if names[i.name] {
				f.At(at+".name", "two issuers of one name")
			}
			if s.issuers[i.issuer] != nil {
				f.At(at+".issuer", "stated twice")
			}
			names[i.name] = true
			keys := &keySet{of: i.name, now: o.Now, log: o.Log}
			s.takeKeys(keys, d.Keys, filepath.Dir(path), at+".keys", f)
			s.issuers[i.issuer] = &issuer{i, keys}
		}
	}
	return s, f.Err()
}

// takeKeys checks where an issuer's keys are. Those in a file are read at once.
func (s *Set) takeKeys(keys *keySet, where, dir, at string, f *strictyaml.Document) {
	switch {
	case where == "":
		f.At(at, "say where its public keys are: an address (https) or a file with a JSON Web Key Set")
	case strings.Contains(where, "://"):
		u, err := url.Parse(where)
		if err != nil || !safe(u) {
			f.At(at, "an address begins with https://, or with http:// and this machine's own name (localhost), and holds no password")
			return
		}
		keys.load = fromURL(s.Client, u.String())
	default:
		if !filepath.IsAbs(where) {
			where = filepath.Join(dir, where)
		}
		keys.load = fromFile(where)
		data, err := keys.load(context.Background())
		if err == nil {
			_, err = parseKeys(data)
		}
		if err != nil {
			f.At(at, "%s cannot be used: %s", filepath.Base(where), err)
		}
	}
}

// settings checks what the file says of one issuer.
func (d issuerDocument) settings(at string, f *strictyaml.Document) settings {
	i := settings{name: d.Name, issuer: d.Issuer, audience: d.Audience, skew: defaultSkew * time.Second, roles: map[string]access.Role{}}
	switch {
	case !issuerName.MatchString(d.Name):
		f.At(at+".name", "say what to call it in the audit: 1 to 20 small letters, digits and hyphens, a letter first")
	case slices.Contains(access.Doors(), d.Name):
		f.At(at+".name", "the audit calls others so (%s): choose another", strings.Join(access.Doors(), ", "))
	}
	if u, err := url.Parse(d.Issuer); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		f.At(at+".issuer", "say what stands in its tokens as iss, such as https://id.example.org/auth/realms/divoc")
	}
	if d.Skew != nil {
		i.skew = time.Duration(*d.Skew) * time.Second
		if *d.Skew < 0 || *d.Skew > maxSkew {
			f.At(at+".clockSkewSeconds", "from 0 to %d", maxSkew)
		}
	}
	path := func(key, value, otherwise string) claims.Path {
		if value == "" {
			value = otherwise
		}
		p, ok := claims.ParsePath(value)
		if !ok {
			f.At(at+"."+key, "names of claims with dots between them, such as %s", otherwise)
		}
		return p
	}
	i.rolesClaim = path("rolesClaim", d.RolesClaim, defaultRolesClaim)
	i.sourceClaim = path("sourceClaim", d.SourceClaim, defaultSourceClaim)
	i.mobileClaim = path("mobileClaim", d.MobileClaim, defaultMobileClaim)
	i.facilityClaim, i.facilities = path("facilityClaim", d.FacilityClaim, defaultFacility), d.Facilities
	if len(d.Roles) == 0 {
		f.At(at+".roles", "say which of its roles mean what here, such as facility-staff: source")
	}
	ours := append(access.Roles(), access.FacilityAdmin, access.Recipient)
	for theirs, role := range d.Roles {
		if !slices.Contains(ours, access.Role(role)) {
			f.At(at+".roles."+theirs, "the roles here are %s", strings.Trim(fmt.Sprint(ours), "[]"))
		}
		i.roles[theirs] = access.Role(role)
	}
	for value, source := range d.Sources {
		if err := access.CheckSource(source); err != nil {
			f.At(at+".sources."+value, "%s", err)
		}
	}
	i.sources = d.Sources
	return i
}
