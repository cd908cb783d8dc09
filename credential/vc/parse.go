package vc

import (
	"crypto"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/vaccination"
)

// The bounds of what is read.
const (
	maxCredential = 64 << 10
	maxDose       = 1000
)

// Credential is a credential of ours as read. Nothing in it is to be believed
// before Verify has succeeded.
type Credential struct {
	document    jcs.Value
	method      string
	created     time.Time
	certificate vaccination.Certificate
	status      []StatusEntry
}

// Parse reads a credential of ours, strictly: other members than ours, a member
// twice, a value of another form are refused, although the proof covers them.
// Order and white space do not matter. The proof is NOT verified.
//
// [ErrType] means that it is well-formed JSON but no credential of this type;
// the other errors are [ErrMalformed], [ErrTooLarge] and [ErrProof].
func Parse(data []byte) (*Credential, error) {
	document, err := parseJSON(data, maxCredential)
	if err != nil {
		return nil, err
	}
	r := &object{value: document}
	dose := r.texts("@context", ContextV2, ContextURL) && r.texts("type", "VerifiableCredential", Type)
	test := r.texts("@context", ContextV2, TestContextURL) && r.texts("type", "VerifiableCredential", TestType)
	if !dose && !test {
		return nil, ErrType
	}
	c := &Credential{document: document}
	c.method, c.created = r.proof()
	c.status = r.entries()
	c.read(r, test)
	if c.method == "" {
		return nil, ErrProof
	}
	if bad := r.done(); bad != "" {
		return nil, fmt.Errorf("%w: %s", ErrMalformed, bad)
	}
	return c, nil
}

func parseJSON(data []byte, limit int) (jcs.Value, error) {
	if len(data) > limit {
		return jcs.Value{}, ErrTooLarge
	}
	v, err := jcs.Parse(data)
	switch {
	case errors.Is(err, jcs.ErrTooLarge):
		return v, ErrTooLarge
	case err != nil:
		return v, fmt.Errorf("%w: %w", ErrMalformed, err)
	case v.Kind != jcs.Object:
		return v, fmt.Errorf("%w: not an object", ErrMalformed)
	}
	return v, nil
}

// VerificationMethod returns the DID URL of the key that signed.
func (c *Credential) VerificationMethod() string { return c.method }

// Created returns when the proof was made.
func (c *Credential) Created() time.Time { return c.created }

// Verify checks the proof with pub. It fails with [ErrSignature], or [ErrProof]
// when pub is no key of the proof's suite. It does not look at times or status.
func (c *Credential) Verify(pub crypto.PublicKey) error { return verifyOne(c.document, pub) }

// verifyOne checks the only proof of a document.
func verifyOne(document jcs.Value, pub crypto.PublicKey) error {
	proof, _ := document.Get("proof")
	return verifyProof(document, proof, nil, pub, known)
}

// Certificate returns what the credential says; Info.KeyID is the verification
// method.
func (c *Credential) Certificate() vaccination.Certificate { return c.certificate }

// Status returns the entries of credentialStatus.
func (c *Credential) Status() []StatusEntry { return c.status }

func (c *Credential) read(r *object, test bool) {
	s := r.object("credentialSubject")
	issuer := r.object("issuer")
	identifier := s.object("identifier")
	if s.text("type") != "Person" {
		s.fail("type")
	}
	c.certificate = vaccination.Certificate{
		Person: vaccination.Person{
			Name: s.text("name"), BirthDate: s.date("birthDate"), Sex: vaccination.Sex(s.text("sex")),
			Nationality: s.text("nationality"),
			Identifier:  vaccination.Identifier{Kind: identifier.text("kind"), Value: identifier.text("value")},
		},
		Info: vaccination.CertificateInfo{
			Issuer:  vaccination.Issuer{ID: issuer.text("id"), Name: issuer.text("name"), Country: issuer.text("country")},
			KeyID:   c.method,
			HCID:    r.text("hcid"),
			Version: r.text("version"),
			Period:  vaccination.Period{Start: r.time("validFrom"), End: r.time("validUntil")},
		},
		Programme: r.text("programme"),
		Domestic:  r.flag("domestic"),
		Specimen:  r.flag("specimen"),
	}
	if test {
		if c.certificate.Test = s.object("test").test(); c.certificate.Test.IsZero() {
			s.fail("test")
		}
	} else {
		c.certificate.Vaccination = s.object("vaccination").dose()
	}
	if _, ok := c.certificate.ID(); !ok {
		r.fail("hcid")
	}
	if r.text("id") != idOf(c.certificate.Info.HCID) {
		r.fail("id")
	}
	if c.certificate.Info.Issuer.ID == "" || c.certificate.Info.Period.Start.IsZero() {
		r.fail("issuer")
	}
}

func (r *object) test() vaccination.Test {
	return vaccination.Test{
		Number: r.number("number"), Pathogen: r.coding("pathogen"), Type: r.coding("testType"), Brand: r.coding("brand"),
		Manufacturer: r.coding("manufacturer"), Lot: r.text("lot"), Origin: r.coding("origin"), Date: r.time("date"), ResultDate: r.time("resultDate"),
		Result: r.coding("result"), Country: r.coding("country"), Centre: r.text("centre"), CentreAddress: r.address("centreAddress"),
		Practitioner: r.text("practitioner"),
	}
}

func (r *object) address(name string) vaccination.Address {
	a := r.object(name)
	return vaccination.Address{
		Line1: a.text("line1"), Line2: a.text("line2"), District: a.text("district"),
		Region: a.text("region"), PostCode: a.text("postCode"), Country: a.text("country"),
	}
}

func (r *object) dose() vaccination.Dose {
	return vaccination.Dose{
		Product: r.text("product"), Vaccine: r.coding("vaccine"), Brand: r.coding("brand"),
		Manufacturer: r.coding("manufacturer"), MAHolder: r.coding("maholder"), Disease: r.coding("disease"),
		Lot: r.text("lot"), Date: r.date("date"), ValidFrom: r.date("validFrom"), ValidUntil: r.date("validUntil"),
		Number: r.number("dose"), Total: r.number("totalDoses"), Country: r.coding("country"), Centre: r.text("centre"),
		CentreAddress: r.address("centreAddress"), Practitioner: r.text("practitioner"), NextDose: r.date("nextDose"), FromEvidence: r.flag("fromEvidence"),
	}
}

// entries reads credentialStatus.
func (r *object) entries() []StatusEntry {
	list, ok := r.take("credentialStatus", jcs.Array)
	if !ok {
		return nil
	}
	if len(list.Items) == 0 || len(list.Items) > 8 {
		r.fail("credentialStatus")
		return nil
	}
	var out []StatusEntry
	for _, item := range list.Items {
		e := r.child("credentialStatus", item)
		text := e.text("statusListIndex")
		index, _ := strconv.ParseUint(text, 10, 32)
		entry := StatusEntry{Purpose: e.text("statusPurpose"), List: e.text("statusListCredential"), Index: uint32(index)}
		if text != strconv.FormatUint(index, 10) || e.text("type") != entryType || e.text("id") != entry.ID() {
			e.fail("type")
		}
		out = append(out, entry)
	}
	return out
}

// object takes members out of a JSON object and, in the end, knows whether one
// was left over. A member that is not there is empty; one that is there is never
// empty, so that each certificate has one form. Failures go up to the root.
type object struct {
	value    jcs.Value
	path     string
	root     *object
	children []*object
	seen     uint64 // the members taken, by position
	failed   string
}

func (r *object) fail(name string) {
	root := r
	if r.root != nil {
		root = r.root
	}
	if root.failed == "" {
		root.failed = r.path + name
	}
}

// take returns a member that must be of this kind.
func (r *object) take(name string, kind jcs.Kind) (jcs.Value, bool) {
	i := slices.IndexFunc(r.value.Members, func(m jcs.Member) bool { return m.Name == name })
	if i < 0 {
		return jcs.Value{}, false
	}
	r.seen |= 1 << i
	v := r.value.Members[i].Value
	if v.Kind != kind {
		r.fail(name)
		return jcs.Value{}, false
	}
	return v, true
}

// done returns the first member that is wrong or was not asked for. Of the
// latter it says only where: its name is not ours to repeat.
func (r *object) done() string {
	if r.failed != "" {
		return r.failed
	}
	if bits.OnesCount64(r.seen) != len(r.value.Members) {
		return "unknown member in " + r.path + "the credential"
	}
	for _, c := range r.children {
		if bad := c.done(); bad != "" {
			return bad
		}
	}
	return ""
}

func (r *object) child(name string, v jcs.Value) *object {
	root := r.root
	if root == nil {
		root = r
	}
	c := &object{value: v, path: r.path + name + ".", root: root}
	r.children = append(r.children, c)
	return c
}

func (r *object) object(name string) *object {
	v, ok := r.take(name, jcs.Object)
	if ok && len(v.Members) == 0 && name != "vaccination" {
		r.fail(name)
	}
	return r.child(name, v)
}

func (r *object) text(name string) string {
	v, ok := r.take(name, jcs.String)
	if ok && v.Text == "" {
		r.fail(name)
	}
	return v.Text
}

// texts reports whether the member is exactly this list of texts.
func (r *object) texts(name string, want ...string) bool {
	v, _ := r.take(name, jcs.Array)
	if len(v.Items) != len(want) {
		return false
	}
	for i, item := range v.Items {
		if item.Kind != jcs.String || item.Text != want[i] {
			return false
		}
	}
	return true
}

func (r *object) flag(name string) bool {
	_, ok := r.take(name, jcs.True)
	return ok
}

func (r *object) number(name string) int {
	v, ok := r.take(name, jcs.Number)
	if ok && (v.Number < 1 || v.Number > maxDose || v.Number != math.Trunc(v.Number)) {
		r.fail(name)
		return 0
	}
	return int(v.Number)
}

func (r *object) date(name string) vaccination.Date {
	d, err := vaccination.ParseDate(r.text(name))
	if err != nil {
		r.fail(name)
	}
	return d
}

func (r *object) time(name string) time.Time {
	text := r.text(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(timeForm, text)
	if err != nil || t.IsZero() {
		r.fail(name)
	}
	return t
}

func (r *object) coding(name string) vaccination.Coding {
	o := r.object(name)
	return vaccination.Coding{Code: o.text("code"), System: o.text("system"), Display: o.text("display")}
}

// proof reads who signed and when; the method is empty when the proof is not
// ours: one proof over the whole @context, of our suite and purpose.
func (r *object) proof() (method string, created time.Time) {
	p := r.object("proof")
	own, _ := r.value.Get("@context")
	ctx, ok := p.take("@context", jcs.Array)
	_, verified := suiteOf(p.value)
	if ok && string(ctx.Append(nil)) != string(own.Append(nil)) || !ok && isJCS(p.text("cryptosuite")) {
		return "", time.Time{}
	}
	if p.text("type") != proofType || p.text("cryptosuite") == "" || !verified || p.text("proofPurpose") != proofPurpose || p.text("proofValue") == "" {
		return "", time.Time{}
	}
	created = p.time("created")
	return p.text("verificationMethod"), created
}
