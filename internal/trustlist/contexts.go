package trustlist

import (
	"slices"
	"strings"
)

// The contexts of WHO's lists, as terms: those of W3C's DID Core 1.0 and of JSON Web
// Signature 2020, and WHO's own. They are pinned here: what a context means decides
// what a proof is over.
const (
	didContext = "https://www.w3.org/ns/did/v1"
	jwsContext = "https://w3id.org/security/suites/jws-2020/v1"
	// tngContext and a suffix for the environment are how WHO's own begin: v1-DEV,
	// v1-UAT and v1.
	tngContext = "https://smart.who.int/trust/tng-context/v1"
)

const security = "https://w3id.org/security#"

// listContexts is the closed set of contexts that a list may name.
func listContexts(url string) ([]byte, bool) {
	switch url {
	case didContext:
		return []byte(didTerms), true
	case jwsContext:
		return []byte(jwsTerms), true
	}
	name, ok := strings.CutPrefix(url, tngContext)
	environment, json := strings.CutSuffix(name, ".jsonld")
	if !ok || !json || !slices.Contains([]string{"", "-DEV", "-UAT"}, environment) {
		return nil, false
	}
	return []byte(tngTerms(environment)), true
}

// reference is a term whose values are names; set is one that holds any number.
func reference(iri string) string { return `{"@id":"` + iri + `","@type":"@id"}` }

func set(iri string) string { return `{"@id":"` + iri + `","@type":"@id","@container":"@set"}` }

var (
	didTerms = `{"@context":{"@protected":true,"id":"@id","type":"@type",` +
		`"alsoKnownAs":` + reference("https://www.w3.org/ns/activitystreams#alsoKnownAs") +
		`,"assertionMethod":` + set(security+"assertionMethod") +
		`,"authentication":` + set(security+"authenticationMethod") +
		`,"capabilityDelegation":` + set(security+"capabilityDelegationMethod") +
		`,"capabilityInvocation":` + set(security+"capabilityInvocationMethod") +
		`,"controller":` + reference(security+"controller") +
		`,"keyAgreement":` + set(security+"keyAgreementMethod") +
		`,"service":{"@id":"https://www.w3.org/ns/did#service","@type":"@id","@context":{"@protected":true,"id":"@id","type":"@type",` +
		`"serviceEndpoint":` + reference("https://www.w3.org/ns/did#serviceEndpoint") + `}}` +
		`,"verificationMethod":` + reference(security+"verificationMethod") + `}}`

	jwsTerms = `{"@context":{"privateKeyJwk":{"@id":"` + security + `privateKeyJwk","@type":"@json"},` +
		`"JsonWebKey2020":{"@id":"` + security + `JsonWebKey2020","@context":{"@protected":true,"id":"@id","type":"@type",` +
		`"publicKeyJwk":{"@id":"` + security + `publicKeyJwk","@type":"@json"}}},` +
		`"JsonWebSignature2020":{"@id":"` + security + `JsonWebSignature2020","@context":{"@protected":true,"id":"@id","type":"@type",` +
		`"challenge":"` + security + `challenge","domain":"` + security + `domain","jws":"` + security + `jws","nonce":"` + security + `nonce",` +
		`"created":{"@id":"http://purl.org/dc/terms/created","@type":"http://www.w3.org/2001/XMLSchema#dateTime"},` +
		`"expires":{"@id":"` + security + `expiration","@type":"http://www.w3.org/2001/XMLSchema#dateTime"},` +
		`"proofPurpose":{"@id":"` + security + `proofPurpose","@type":"@vocab","@context":{"@protected":true,"id":"@id","type":"@type",` +
		`"assertionMethod":` + set(security+"assertionMethod") + `,"authentication":` + set(security+"authenticationMethod") + `}},` +
		`"verificationMethod":` + reference(security+"verificationMethod") + `}}}}`
)

// tngTerms is WHO's own context of an environment: what an entry is for, as a code of
// WHO's value sets.
func tngTerms(environment string) string {
	out := `{"@context":{"@version":1.1,"id":"@id","type":"@type","proof":"` + security + `proof"`
	for _, term := range [][2]string{{"domain", "Domains"}, {"participant", "Participants"}, {"keyusage", "KeyUsage"}} {
		values := "https://smart.who.int/trust/ValueSet-" + term[1] + environment + ".jsonld"
		out += `,"` + term[0] + `":{"@id":"` + values + `","@type":"@id","@context":{"@base":"` + values + `#","code":{"@id":"@id","@type":"@id"}}}`
	}
	return out + `}}`
}
