package divocqr

// vocabulary is what DIVOC's contexts define for one version: which members a
// node of each kind may have, and the IRI of each. The namespace "vac" has no
// separator at its end, so JSON-LD 1.1 leaves "vac:…" as it is written: those
// IRIs are literally so in the signed statements.
type vocabulary struct {
	credential, person *class
	evidence           *class // the vaccination, or the test
	test               bool
}

// class is a kind of node.
type class struct {
	types []typeName // what its "type" must be, each once; none where it has no type
	id    bool       // whether "id" names the node
	terms []term
}

type typeName struct{ name, iri string }

type term struct {
	name string
	iri  string
	as   form
	node *class // for as == node
	// shown marks a member that is shown to whoever verifies, where a member of
	// another meaning shares its IRI.
	shown bool
}

// form is how the value of a term becomes an RDF term.
type form uint8

const (
	literal form = iota // text, number or boolean
	dateTime
	reference // an IRI
	nested
)

const (
	credV1   = "https://www.w3.org/2018/credentials/v1"
	credNS   = "https://www.w3.org/2018/credentials#"
	secNS    = "https://w3id.org/security#"
	schemaNS = "https://schema.org/"
	xsdNS    = "http://www.w3.org/2001/XMLSchema#"
	rdfType  = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
	dcterms  = "http://purl.org/dc/terms/created"
)

const (
	vaccinationType = "ProofOfVaccinationCredential"
	testType        = "ProofOfTestCertificateCredential"
)

// The vocabularies are never written to.
var (
	v1       = newVocabulary(1, false)
	v2       = newVocabulary(2, false)
	sriLanka = newVocabulary(2, true)
	tests    = newTestVocabulary()
)

// vocabularyOf returns what a context defines. The list is closed: the URLs
// found in issued certificates, none of which still resolves.
func vocabularyOf(context string) *vocabulary {
	switch context {
	case "https://divoc.dev/credentials/vaccination/v1",
		"https://cowin.gov.in/credentials/vaccination/v1":
		return v1
	case "https://cowin.gov.in/credentials/vaccination/v2",
		"https://divoc.prod/vaccine/credentials/vaccination/v1":
		return v2
	case "https://divoc.lgcc.gov.lk/credentials/vaccination/v1":
		return sriLanka
	case TestContext:
		return tests
	}
	return nil
}

func newAddress() *class {
	return &class{terms: []term{
		{name: "streetAddress", iri: schemaNS + "streetAddress"},
		{name: "streetAddress2", iri: "vac:addressLine2"},
		{name: "city", iri: "vac:city"},
		{name: "district", iri: "vac:district"},
		{name: "addressRegion", iri: schemaNS + "addressRegion"},
		{name: "postalCode", iri: schemaNS + "postalCode"},
		{name: "addressCountry", iri: schemaNS + "addressCountry"},
	}}
}

// newPlace returns the classes of who answers for a dose or a test, and of where.
func newPlace(address *class) (verifier, facility *class) {
	return &class{terms: []term{
			{name: "id", iri: schemaNS + "id"}, // here a member like others, not the node's name
			{name: "name", iri: schemaNS + "name"},
			{name: "sign-image", iri: schemaNS + "image"},
		}}, &class{terms: []term{
			{name: "name", iri: schemaNS + "name"},
			{name: "address", iri: schemaNS + "PostalAddress", as: nested, node: address},
			{name: "seal-image", iri: schemaNS + "image"},
		}}
}

func newVocabulary(version int, sex bool) *vocabulary {
	address := newAddress()
	person := &class{
		types: []typeName{{"Person", schemaNS + "Person"}},
		id:    true,
		terms: []term{
			{name: "refId", iri: schemaNS + "id"},
			{name: "uhid", iri: schemaNS + "id"},
			{name: "name", iri: schemaNS + "name"},
			{name: "age", iri: schemaNS + "Number"},
			{name: "gender", iri: schemaNS + "gender"},
			{name: "nationality", iri: schemaNS + "nationality"},
			{name: "address", iri: schemaNS + "PostalAddress", as: nested, node: address},
		},
	}
	verifier, facility := newPlace(address)
	vaccination := &class{
		types: []typeName{{"Vaccination", "vac:Vaccination"}},
		id:    true,
		terms: []term{
			{name: "certificateId", iri: schemaNS + "id"},
			{name: "feedbackUrl", iri: schemaNS + "url"},
			{name: "infoUrl", iri: schemaNS + "url"},
			{name: "batch", iri: schemaNS + "id", shown: true},
			{name: "vaccine", iri: schemaNS + "id", shown: true},
			{name: "manufacturer", iri: schemaNS + "id", shown: true},
			{name: "date", iri: schemaNS + "date", shown: true},
			{name: "effectiveStart", iri: schemaNS + "date", shown: true},
			{name: "effectiveUntil", iri: schemaNS + "date", shown: true},
			{name: "dose", iri: schemaNS + "doseValue", shown: true},
			{name: "totalDoses", iri: schemaNS + "doseValue", shown: true},
			{name: "verifier", iri: "vac:verifier", as: nested, node: verifier},
			{name: "facility", iri: "vac:Facility", as: nested, node: facility},
		},
	}
	if version == 2 {
		person.terms = append(person.terms, term{name: "dob", iri: schemaNS + "date"})
		vaccination.terms = append(vaccination.terms,
			term{name: "icd11Code", iri: schemaNS + "id", shown: true},
			term{name: "prophylaxis", iri: schemaNS + "name"})
	}
	if sex {
		person.terms = append(person.terms, term{name: "sex", iri: schemaNS + "gender"})
	}
	return &vocabulary{newCredential(typeName{vaccinationType, schemaNS + vaccinationType}, person, vaccination), person, vaccination, false}
}

// newTestVocabulary is what DIVOC's one context of test certificates defines.
func newTestVocabulary() *vocabulary {
	address := newAddress()
	verifier, facility := newPlace(address)
	person := &class{
		types: []typeName{{"Person", schemaNS + "Person"}},
		id:    true,
		terms: []term{
			{name: "refId", iri: schemaNS + "id"},
			{name: "uhid", iri: schemaNS + "id"},
			{name: "name", iri: schemaNS + "name"},
			{name: "dob", iri: schemaNS + "date"},
			{name: "gender", iri: schemaNS + "gender"},
			{name: "nationality", iri: schemaNS + "nationality"},
			{name: "address", iri: schemaNS + "PostalAddress", as: nested, node: address},
		},
	}
	test := &class{
		types: []typeName{{"TestDetails", "vac:TestDetails"}},
		id:    true,
		terms: []term{
			{name: "certificateId", iri: schemaNS + "id"},
			{name: "feedbackUrl", iri: schemaNS + "url"},
			{name: "infoUrl", iri: schemaNS + "url"},
			{name: "batch", iri: schemaNS + "id", shown: true},
			{name: "testType", iri: schemaNS + "id", shown: true},
			{name: "testName", iri: schemaNS + "name"},
			{name: "manufacturer", iri: schemaNS + "id", shown: true},
			{name: "disease", iri: schemaNS + "id", shown: true},
			{name: "sampleOrigin", iri: schemaNS + "id", shown: true},
			{name: "sampleCollectionTimestamp", iri: schemaNS + "dateTime", shown: true},
			{name: "resultTimestamp", iri: schemaNS + "dateTime", shown: true},
			{name: "result", iri: schemaNS + "id", shown: true},
			{name: "verifier", iri: "vac:verifier", as: nested, node: verifier},
			{name: "facility", iri: "vac:Facility", as: nested, node: facility},
		},
	}
	return &vocabulary{newCredential(typeName{testType, schemaNS + "ProofOfTestCredential"}, person, test), person, test, true}
}

func newCredential(kind typeName, person, evidence *class) *class {
	return &class{
		types: []typeName{{"VerifiableCredential", credNS + "VerifiableCredential"}, kind},
		id:    true,
		terms: []term{
			{name: "credentialSubject", iri: credNS + "credentialSubject", as: nested, node: person},
			{name: "evidence", iri: credNS + "evidence", as: nested, node: evidence},
			{name: "issuer", iri: credNS + "issuer", as: reference},
			{name: "issuanceDate", iri: credNS + "issuanceDate", as: dateTime},
			{name: "expirationDate", iri: credNS + "expirationDate", as: dateTime},
			{name: "nonTransferable", iri: "vac:nonTransferable"},
		},
	}
}
