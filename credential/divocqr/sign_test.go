package divocqr_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/credential/divocqr"
)

const (
	ps256 = `{"alg":"PS256","b64":false,"crit":["b64"]}`
	eddsa = `{"alg":"EdDSA","b64":false,"crit":["b64"]}`
)

// sample returns a certificate of all members, each of another value, with the
// form of a proof.
func sample() map[string]any {
	address := func(n string) map[string]any {
		return map[string]any{
			"streetAddress": "street " + n, "streetAddress2": "street2 " + n, "district": "district " + n, "city": "city " + n,
			"addressRegion": "region " + n, "addressCountry": "country " + n, "postalCode": "code " + n,
		}
	}
	return map[string]any{
		"@context": []any{"https://www.w3.org/2018/credentials/v1", "https://cowin.gov.in/credentials/vaccination/v2"},
		"type":     []any{"VerifiableCredential", "ProofOfVaccinationCredential"},
		"issuer":   "https://divoc.example/", "issuanceDate": "2021-10-18T09:10:11.123Z", "nonTransferable": "true",
		"credentialSubject": map[string]any{
			"type": "Person", "id": "did:india:R1234567", "refId": "88812345", "name": "Marcia Testcase", "gender": "Female",
			"age": "41", "nationality": "Jamaican", "dob": "1980-02-29", "address": address("1"),
		},
		"evidence": []any{map[string]any{
			"id": "https://divoc.example/vaccine/123456789", "infoUrl": "https://divoc.example/?i", "feedbackUrl": "https://divoc.example/?f",
			"certificateId": "123456789", "type": []any{"Vaccination"}, "batch": "AB-7", "vaccine": "Covishield", "manufacturer": "Serum Institute",
			"icd11Code": "XM9QW8", "prophylaxis": "COVID-19 vaccine, non-replicating viral vector",
			"date": "2021-10-17T05:30:28.187Z", "effectiveStart": "2021-10-18", "effectiveUntil": "2022-10-17", "dose": 1, "totalDoses": 2,
			"verifier": map[string]any{"name": "Nurse Test"}, "facility": map[string]any{"name": "Hope Health Centre", "address": address("2")},
		}},
		"proof": dummyProof(),
	}
}

func subjectOf(doc map[string]any) map[string]any { return doc["credentialSubject"].(map[string]any) }
func evidenceOf(doc map[string]any) map[string]any {
	return doc["evidence"].([]any)[0].(map[string]any)
}
func proofOf(doc map[string]any) map[string]any { return doc["proof"].(map[string]any) }

type signFunc func(input []byte) []byte

func signRSA(t testing.TB, key *rsa.PrivateKey, o *rsa.PSSOptions) signFunc {
	return func(input []byte) []byte {
		digest := sha256.Sum256(input)
		sig, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], o)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
}

func signEd25519(key ed25519.PrivateKey) signFunc {
	return func(input []byte) []byte { return ed25519.Sign(key, input) }
}

// seal puts a signature into doc's proof, over what its statements were when
// the proof had a well-formed header. It does not use the package's own hashing.
func seal(t testing.TB, doc map[string]any, suite, header string, sign signFunc) []byte {
	t.Helper()
	doc["proof"] = dummyProof()
	proof := proofOf(doc)
	cred, err := divocqr.Decode(marshal(doc))
	if err != nil {
		t.Fatal(err)
	}
	proof["type"] = suite
	options := sha256.Sum256([]byte(`_:c14n0 <http://purl.org/dc/terms/created> "` + proof["created"].(string) + `"^^<http://www.w3.org/2001/XMLSchema#dateTime> .
_:c14n0 <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://w3id.org/security#` + suite + `> .
_:c14n0 <https://w3id.org/security#proofPurpose> <https://w3id.org/security#assertionMethod> .
_:c14n0 <https://w3id.org/security#verificationMethod> <` + proof["verificationMethod"].(string) + `> .
`))
	document := sha256.Sum256(cred.NQuads())
	encoded := base64.RawURLEncoding.EncodeToString([]byte(header))
	input := strings.Join([]string{encoded, ".", string(options[:]), string(document[:])}, "")
	proof["jws"] = encoded + ".." + base64.RawURLEncoding.EncodeToString(sign([]byte(input)))
	return marshal(doc)
}

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEd25519(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
