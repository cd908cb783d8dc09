package trust

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/credential/multibase"
)

// DIDWeb returns the did:web identifier of a public URL (did:web method
// specification): a port's colon becomes %3A, a path's slashes become colons.
func DIDWeb(publicURL string) (string, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", errors.New("the public URL looks like https://certificates.example.org, without user, query or fragment")
	}
	did := "did:web:" + strings.ReplaceAll(strings.ToLower(u.Host), ":", "%3A")
	for part := range strings.SplitSeq(strings.Trim(u.EscapedPath(), "/"), "/") {
		if part != "" {
			did += ":" + part
		}
	}
	return did, nil
}

// didDocument is what we read of a DID document.
type didDocument struct {
	ID      string      `json:"id"`
	Methods []didMethod `json:"verificationMethod"`
}

type didMethod struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	JWK       *jwk   `json:"publicKeyJwk"`
	Multibase string `json:"publicKeyMultibase"`
	Base58    string `json:"publicKeyBase58"`
	PEM       string `json:"publicKeyPem"`
}

// parseDID reads a DID document with embedded keys: JsonWebKey2020 with or
// without x5c, Multikey, Ed25519VerificationKey2018 and 2020,
// RsaVerificationKey2018.
func parseDID(data []byte) ([]Issuer, error) {
	var doc didDocument
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, errors.New("the DID document is not readable")
	}
	issuers := []Issuer{{ID: doc.ID, Name: doc.ID}}
	for i, m := range doc.Methods {
		k, err := m.key()
		if err != nil {
			return nil, fmt.Errorf("verification method %d: %w", i+1, err)
		}
		k.ID = m.ID
		if strings.HasPrefix(m.ID, "#") {
			k.ID = doc.ID + m.ID
		}
		if _, fragment, ok := strings.Cut(m.ID, "#"); ok && k.KeyID == nil {
			k.KeyID = kidBytes(fragment)
		}
		iss := didIssuer(&issuers, k)
		iss.Keys = append(iss.Keys, k)
	}
	return issuers, nil
}

// didIssuer returns whose key k of a DID document is. The first issuer is the
// document's subject and takes the name of the first certificate; certificates
// of other names, as in a trust network's list of many countries, are issuers
// of their own.
func didIssuer(issuers *[]Issuer, k Key) *Issuer {
	subject := &(*issuers)[0]
	if k.Certificate == nil {
		return subject
	}
	name, country := keyName(k)
	if subject.Country == "" {
		subject.Name, subject.Country, subject.Specimen = name, country, specimen(k.Certificate.Subject)
	}
	for i := range *issuers {
		if iss := &(*issuers)[i]; iss.Name == name && iss.Country == country {
			return iss
		}
	}
	*issuers = append(*issuers, Issuer{ID: subject.ID, Name: name, Country: country, Specimen: specimen(k.Certificate.Subject)})
	return &(*issuers)[len(*issuers)-1]
}

func (m didMethod) key() (Key, error) {
	switch {
	case m.JWK != nil:
		return m.JWK.key()
	case m.Multibase != "":
		public, err := ParseMultikey(m.Multibase)
		return Key{Public: public}, err
	case m.Base58 != "":
		raw, ok := multibase.Decode("z" + m.Base58)
		if !ok {
			return Key{}, errors.New("publicKeyBase58 is not base 58")
		}
		public := ed25519.PublicKey(raw)
		return Key{Public: public}, checkPublic(public)
	case m.PEM != "":
		block, _ := pem.Decode([]byte(m.PEM))
		if block == nil {
			return Key{}, errors.New("publicKeyPem is not PEM")
		}
		return parsePublicKey(block)
	default:
		return Key{}, fmt.Errorf("type %.40q has no key we can read", m.Type)
	}
}

// DIDDocument returns i as a DID document (DID Core 1.0, in JCS form), for
// /.well-known/did.json: Ed25519 keys as Multikey, the others as JsonWebKey2020
// with their certificates, those of DIVOC's format among them. Retired keys stay assertion methods, so that what
// they signed still verifies.
func (i Issuer) DIDDocument() ([]byte, error) {
	if i.ID == "" {
		return nil, errors.New("trust: an issuer without id has no DID document")
	}
	methods, ids := []map[string]any{}, []string{}
	for _, k := range i.Keys {
		if slices.Contains(k.Usage, Seal) { // known by its authority, and no signer of what a DID is for
			continue
		}
		m := map[string]any{"controller": i.ID}
		switch public := k.Public.(type) {
		case ed25519.PublicKey:
			m["id"], m["type"], m["publicKeyMultibase"] = k.ID, "Multikey", Multikey(public)
		case *ecdsa.PublicKey:
			raw, err := public.Bytes()
			if err != nil {
				return nil, err
			}
			half := len(raw) / 2
			j := map[string]any{
				"kty": "EC", "crv": public.Curve.Params().Name,
				"x": base64.RawURLEncoding.EncodeToString(raw[1 : 1+half]), "y": base64.RawURLEncoding.EncodeToString(raw[1+half:]),
			}
			if k.Certificate != nil {
				j["kid"] = base64.StdEncoding.EncodeToString(k.KeyID)
				x5c := []string{base64.StdEncoding.EncodeToString(k.Certificate.Raw)}
				for _, c := range k.Chain {
					x5c = append(x5c, base64.StdEncoding.EncodeToString(c.Raw))
				}
				j["x5c"] = x5c
			}
			m["id"], m["type"], m["publicKeyJwk"] = k.ID, "JsonWebKey2020", j
		case *rsa.PublicKey:
			m["id"], m["type"], m["publicKeyJwk"] = k.ID, "JsonWebKey2020", map[string]any{
				"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
				"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
			}
		default:
			continue
		}
		if k.ID == "" || slices.Contains(ids, k.ID) {
			return nil, errors.New("trust: in a DID document every key has an id of its own")
		}
		methods, ids = append(methods, m), append(ids, k.ID)
	}
	doc, err := json.Marshal(map[string]any{
		"@context": []string{
			"https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1", "https://w3id.org/security/suites/jws-2020/v1",
		},
		"id": i.ID, "verificationMethod": methods, "assertionMethod": ids,
	})
	if err != nil {
		return nil, err
	}
	return jcs.Canonical(doc)
}
