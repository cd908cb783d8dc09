package divocqr

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"time"

	"github.com/opendivoc/divoc/credential/rdfc"
	"github.com/opendivoc/divoc/vaccination"
)

// Context is the context of the certificates that [Issue] makes: the second
// version of DIVOC's, with a date of birth, which DIVOC publishes with its
// library and its verifiers hold.
const Context = "https://cowin.gov.in/credentials/vaccination/v2"

// TestContext is the context of those of tests, which DIVOC publishes too.
const TestContext = "https://cowin.gov.in/credentials/testCertificate/v1"

// Signer is the key that verifiers of DIVOC's format were given.
type Signer interface {
	// Method returns the proof's verificationMethod, an absolute IRI. DIVOC's
	// verifiers compare it with the CERTIFICATE_DID they were built with.
	Method() string
	// Public returns an *rsa.PublicKey or ed25519.PublicKey; it decides the suite.
	Public() crypto.PublicKey
	// Sign returns the signature of input, which it hashes itself: RSASSA-PSS
	// with SHA-256 and a salt of 32 bytes, or Ed25519.
	Sign(input []byte) ([]byte, error)
}

// Options say what is not in a certificate.
type Options struct {
	// VerifyURL is the absolute IRI that the certificate's id is appended to, as
	// DIVOC does, after a "?": where the certificate can be verified.
	VerifyURL string
	// Identifier puts the number of the identity document into the certificate,
	// where everybody can read it who scans the code.
	Identifier bool
}

// specimen begins the name in a certificate of a demonstration: the format has
// no other member that every verifier shows.
const specimen = "SPECIMEN "

// Issue returns c as a DIVOC certificate, signed by s at the time now: a W3C
// verifiable credential 1.1 as JSON. The issuer is c's, which must be an
// absolute IRI. The holder's id is never relative, so the signature covers it:
// the identity number where o asks for it, else the id of the certificate. That
// is also the refId, so the enrolment code is not in it.
//
// What the format requires and c does not have is a [MissingError]; what c has
// and the format cannot say is [ErrCannotCarry] with the path of the element.
// Codes of product, manufacturer and disease, the programme and the next dose
// are left out: the format has no place for them.
func Issue(c vaccination.Certificate, o Options, s Signer, now time.Time) ([]byte, error) {
	suite, header, err := suiteOf(s.Public())
	if err != nil {
		return nil, err
	}
	root, err := credentialOf(&c, o, s.Method())
	if err != nil {
		return nil, err
	}
	voc := v2
	if c.IsTest() {
		voc = tests
	}
	facts, err := emit(&root, voc)
	if err != nil {
		return nil, err
	}
	canonical, _, err := rdfc.Canonicalize(facts.quads, rdfc.Options{URDNA2015: true})
	if err != nil {
		return nil, err
	}
	p := proof{suite: suite, method: s.Method(), created: now.UTC().Format(timeForm)}
	signature, err := s.Sign(p.over(header, canonical))
	if err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, 2048), '{')
	b = appendMembers(b, root.members)
	b = append(b, `,"proof":`...)
	b = appendJSON(b, &value{kind: object, members: []member{
		textMember("type", suite), textMember("created", p.created), textMember("verificationMethod", p.method),
		textMember("proofPurpose", "assertionMethod"), textMember("jws", header+".."+base64.RawURLEncoding.EncodeToString(signature)),
	}})
	return append(b, '}'), nil
}

// timeForm is how times are written: whole seconds, UTC.
const timeForm = "2006-01-02T15:04:05Z"

// suiteOf returns the proof suite of a key and its protected header, encoded.
func suiteOf(public crypto.PublicKey) (suite, header string, err error) {
	alg := ""
	switch key := public.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < minRSABits || n > maxRSABits {
			return "", "", errors.New("divocqr: an RSA key of a length that is not verified")
		}
		suite, alg = rsaSignature, "PS256"
	case ed25519.PublicKey:
		suite, alg = ed25519Signature, "EdDSA"
	default:
		return "", "", errors.New("divocqr: the format is signed with RSA or Ed25519")
	}
	return suite, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `","b64":false,"crit":["b64"]}`)), nil
}

// Missing returns the paths of the elements that the format requires and c does
// not have: what DIVOC's certification request requires and its verifiers show.
// The dates must be known to the day, as the format has no other.
func Missing(c vaccination.Certificate) []string {
	type required struct {
		path  string
		there bool
	}
	all := []required{
		{"name", c.Name != ""},
		{"birthDate", toTheDay(c.BirthDate)},
		{"certificate.issuer", c.Info.Issuer.ID != ""},
		{"certificate.hcid", c.Info.HCID != ""},
		{"certificate.period.start", !c.Info.Period.Start.IsZero()},
	}
	if t := &c.Test; c.IsTest() {
		all = append(all,
			required{"test.type", t.Type.Display != ""},
			required{"test.pathogen", t.Pathogen.Display != "" || t.Pathogen.Code != ""},
			required{"test.date", !t.Date.IsZero()},
			required{"test.result", resultOf(t.Result) != ""})
	} else {
		v := &c.Vaccination
		all = append(all,
			required{"vaccination.brand", v.Brand.Display != ""},
			required{"vaccination.manufacturer", v.Manufacturer.Display != "" || v.MAHolder.Display != ""},
			required{"vaccination.date", toTheDay(v.Date)},
			required{"vaccination.dose", v.Number > 0},
			required{"vaccination.totalDoses", v.Total > 0})
	}
	var missing []string
	for _, r := range all {
		if !r.there {
			missing = append(missing, r.path)
		}
	}
	return missing
}

func toTheDay(d vaccination.Date) bool {
	return d.Precision() == vaccination.PrecisionDay && !d.Estimated
}

// credentialOf returns c as the members that DIVOC's templates have, in their
// order, without those that are empty.
func credentialOf(c *vaccination.Certificate, o Options, method string) (value, error) {
	if missing := Missing(*c); len(missing) > 0 {
		return value{}, &MissingError{missing}
	}
	if c.Domestic {
		return value{}, cannotCarry("domestic") // a verifier would take it for one that is good abroad
	}
	if !absolute(c.Info.Issuer.ID) || !absolute(method) || checkIRI(method) != nil {
		return value{}, errors.New("divocqr: issuer and verification method are absolute IRIs")
	}
	w := writer{}
	subject, context, kind := w.person(c, o, method), Context, vaccinationType
	var evidence value
	if c.IsTest() {
		context, kind, evidence = TestContext, testType, w.test(c, o)
	} else {
		evidence = w.vaccination(c, o)
	}
	root := value{kind: object, members: make([]member, 0, 8)}
	w.list(&root, "@context", credV1, context)
	w.list(&root, "type", "VerifiableCredential", kind)
	root.members = append(root.members, member{"credentialSubject", subject})
	w.text(&root, "issuer", "certificate.issuer", c.Info.Issuer.ID)
	w.text(&root, "issuanceDate", "", c.Info.Period.Start.UTC().Format(timeForm))
	if end := c.Info.Period.End; !end.IsZero() {
		w.text(&root, "expirationDate", "", end.UTC().Format(timeForm))
	}
	root.members = append(root.members, member{"evidence", value{kind: list, items: []value{evidence}}})
	w.text(&root, "nonTransferable", "", "true")
	if w.bad != "" {
		return value{}, cannotCarry(w.bad)
	}
	return root, nil
}
