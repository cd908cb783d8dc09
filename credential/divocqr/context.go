package divocqr

import "strings"

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

// table reads terms of a context, each written name=IRI: "s:" is schema.org's
// namespace, and "!" marks a member that is shown.
func table(text string) []term {
	var out []term
	for pair := range strings.FieldsSeq(text) {
		name, iri, _ := strings.Cut(pair, "=")
		iri, shown := strings.CutSuffix(iri, "!")
		if local, ok := strings.CutPrefix(iri, "s:"); ok {
			iri = schemaNS + local
		}
		out = append(out, term{name: name, iri: iri, shown: shown})
	}
	return out
}

// inside is a term whose value is a node.
func inside(name, iri string, node *class) term {
	return term{name: name, iri: iri, as: nested, node: node}
}

const (
	addressTerms = "streetAddress=s:streetAddress streetAddress2=vac:addressLine2 city=vac:city district=vac:district " +
		"addressRegion=s:addressRegion postalCode=s:postalCode addressCountry=s:addressCountry"
	personTerms = "refId=s:id uhid=s:id name=s:name gender=s:gender nationality=s:nationality"
	// of vaccinations and tests
	evidenceTerms    = "certificateId=s:id feedbackUrl=s:url infoUrl=s:url batch=s:id! manufacturer=s:id!"
	vaccinationTerms = " vaccine=s:id! date=s:date! effectiveStart=s:date! effectiveUntil=s:date! dose=s:doseValue! totalDoses=s:doseValue!"
	testTerms        = " testType=s:id! testName=s:name disease=s:id! sampleOrigin=s:id! result=s:id! sampleCollectionTimestamp=s:dateTime! resultTimestamp=s:dateTime!"
)

func newVocabulary(version int, sex bool) *vocabulary {
	person, vaccination := " age=s:Number", evidenceTerms+vaccinationTerms
	if version == 2 {
		person += " dob=s:date"
		vaccination += " icd11Code=s:id! prophylaxis=s:name"
	}
	if sex {
		person += " sex=s:gender"
	}
	return assemble(person, vaccination, typeName{"Vaccination", "vac:Vaccination"}, typeName{vaccinationType, schemaNS + vaccinationType})
}

// newTestVocabulary is what DIVOC's one context of test certificates defines.
func newTestVocabulary() *vocabulary {
	v := assemble(" dob=s:date", evidenceTerms+testTerms, typeName{"TestDetails", "vac:TestDetails"}, typeName{testType, schemaNS + "ProofOfTestCredential"})
	v.test = true
	return v
}

// assemble puts a vocabulary together from the terms that are its own.
func assemble(ofPerson, ofEvidence string, details, kind typeName) *vocabulary {
	address := inside("address", schemaNS+"PostalAddress", &class{terms: table(addressTerms)})
	person := &class{
		types: []typeName{{"Person", schemaNS + "Person"}},
		id:    true,
		terms: append(table(personTerms+ofPerson), address),
	}
	verifier := &class{terms: table("id=s:id name=s:name sign-image=s:image")} // its id is a member like others, not the node's name
	facility := &class{terms: append(table("name=s:name seal-image=s:image"), address)}
	evidence := &class{
		types: []typeName{details},
		id:    true,
		terms: append(table(ofEvidence), inside("verifier", "vac:verifier", verifier), inside("facility", "vac:Facility", facility)),
	}
	credential := &class{
		types: []typeName{{"VerifiableCredential", credNS + "VerifiableCredential"}, kind},
		id:    true,
		terms: append(table("nonTransferable=vac:nonTransferable"),
			inside("credentialSubject", credNS+"credentialSubject", person),
			inside("evidence", credNS+"evidence", evidence),
			term{name: "issuer", iri: credNS + "issuer", as: reference},
			term{name: "issuanceDate", iri: credNS + "issuanceDate", as: dateTime},
			term{name: "expirationDate", iri: credNS + "expirationDate", as: dateTime}),
	}
	return &vocabulary{credential: credential, person: person, evidence: evidence}
}
