package verify

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/trust"
)

// claim is what a signed form says of itself, whichever it is.
type claim struct {
	issuerID string // the issuer it names, where it names one that must agree
	country  string // the issuer's country, as a code
	// usage is what is certified; empty means a vaccination.
	usage trust.Usage
	// format is a usage that allows this format alone, where there is one.
	format trust.Usage
	// The time in which it may be relied on. A zero until means as long as the
	// key's certificate allows.
	issued, until time.Time
}

// errRefused says that the reason was already given.
var errRefused = errors.New("refused")

// find returns the candidate whose key verifies the signature. All of those
// that share a key id are tried. Without one it refuses: as a bad signature
// when the key that the certificate names is trusted but did not make it, as
// an unknown issuer otherwise. meant says whether a candidate is such a key; named
// are the ids by which the certificate names its issuer, where it does.
func (c *check) find(candidates []trust.Candidate, named []string, verify func(*trust.Key) error, meant func(*trust.Key) bool) (trust.Candidate, error) {
	if c.o.Trust.Len() == 0 {
		c.refuse(NoTrustList)
		return trust.Candidate{}, errRefused
	}
	var last error
	for _, cand := range candidates {
		err := verify(cand.Key)
		if err == nil {
			return c.among(candidates, cand, named), nil
		}
		if meant(cand.Key) && !errors.Is(last, divocqr.ErrSubjectNotSigned) {
			last = err
		}
	}
	if last != nil {
		return trust.Candidate{}, last
	}
	c.refuse(UnknownIssuer)
	return trust.Candidate{}, errRefused
}

// among says whose key it is where several lists have the one that verified: of who
// is named, else of who publishes states, else of the first. The others are kept
// too, as what one of them withdrew is withdrawn, whoever else lists the key.
func (c *check) among(candidates []trust.Candidate, found trust.Candidate, named []string) trust.Candidate {
	rank := func(by trust.Candidate) int {
		s, _ := c.o.Trust.Status(by.Issuer.ID, "")
		switch {
		case by.Issuer.ID != "" && slices.Contains(named, by.Issuer.ID):
			return 2
		case s != trust.NotPublished:
			return 1
		}
		return 0
	}
	print, best := trust.Fingerprint(found.Key.Public), found
	for _, by := range candidates {
		if trust.Fingerprint(by.Key.Public) != print {
			continue
		}
		c.listedBy = append(c.listedBy, by.Issuer.ID)
		if rank(by) > rank(best) {
			best = by
		}
	}
	return best
}

// signedBy names the signer in the statement and checks that its key could
// sign this: usage, country, life. It reports whether nothing stood against it;
// only then the content may be shown.
func (c *check) signedBy(by trust.Candidate, cl claim) bool {
	before := len(c.s.Reasons)
	c.s.Issuer = Issuer{ID: by.Issuer.ID, Name: by.Issuer.Name, Key: keyName(by.Key)}
	c.s.Specimen = by.Issuer.Specimen
	c.issuedIn = countryOf(by)
	k := by.Key
	if cl.usage == "" {
		cl.usage = trust.Vaccination
	}
	if !k.Allows(cl.usage) && (cl.format == "" || !k.Allows(cl.format)) {
		c.refuse(KeyNotAllowed)
	}
	if !sameCountry(cl.country, countryOf(by)) || cl.issuerID != "" && by.Issuer.ID != "" && cl.issuerID != by.Issuer.ID {
		c.refuse(IssuerMismatch)
	}
	// Shell model: issued within the life of the key, never valid beyond it.
	// A time that is not said counts as outside of any bound there is, except
	// that a certificate without an end ends with its key.
	if !k.NotBefore.IsZero() && cl.issued.Before(k.NotBefore) ||
		!k.NotAfter.IsZero() && (cl.issued.After(k.NotAfter) || cl.until.After(k.NotAfter)) {
		c.refuse(KeyOutOfPeriod)
	}
	if !k.Retired.IsZero() && (cl.issued.IsZero() || cl.issued.After(k.Retired)) {
		c.refuse(KeyRetired)
	}
	return len(c.s.Reasons) == before
}

func keyName(k *trust.Key) string {
	if k.ID != "" {
		return k.ID
	}
	if len(k.KeyID) > 0 {
		return keyIDName(k.KeyID)
	}
	return trust.Fingerprint(k.Public)
}

func keyIDName(kid []byte) string { return base64.StdEncoding.EncodeToString(kid) }

func countryOf(by trust.Candidate) string {
	if by.Issuer.Country == "" && by.Key.Certificate != nil && len(by.Key.Certificate.Subject.Country) > 0 {
		return by.Key.Certificate.Subject.Country[0]
	}
	return by.Issuer.Country
}

// sameCountry compares country codes; one that is not given contradicts
// nothing. Alpha-3 codes occur in the field where alpha-2 is prescribed.
func sameCountry(a, b string) bool { return a == "" || b == "" || alpha2(a) == alpha2(b) }

// alpha2 is a country's code of two letters, in capitals, where it is known.
func alpha2(s string) string {
	if len(s) == 3 {
		if country, ok := catalogue.FindCountry(s); ok {
			s = country.Alpha2
		}
	}
	return strings.ToUpper(s)
}
