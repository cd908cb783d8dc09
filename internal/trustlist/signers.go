package trustlist

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/trust"
)

// gatewayItem is an entry of the lists of the EU's gateway (/trustList), of WHO's,
// and of what member states publish of them.
type gatewayItem struct {
	KID     string `json:"kid"`
	Country string `json:"country"`
	Type    string `json:"certificateType"`
	Raw     string `json:"rawData"`
}

// The entries that count: signers of certificates, and who issues them.
const (
	typeSigner     = "DSC"
	typeAuthority  = "CSCA"
	typeAuthority2 = "SCA" // in WHO's lists
)

// certificates reads signer certificates. Where authorities are pinned, only what
// they issued counts; else what those in the list issued, where it names any; else
// everything, for a person to look at.
func (r *reading) certificates(c *Content, data []byte) error {
	items, err := r.items(c, data)
	if err != nil {
		return err
	}
	authorities := r.anchors
	if len(authorities) == 0 {
		for _, item := range items {
			if item.authority {
				authorities = append(authorities, item.key.Certificate)
			}
		}
	}
	if err := r.published(authorities...); err != nil {
		return err
	}
	for _, item := range items {
		if item.authority {
			continue
		}
		cert := item.key.Certificate
		if len(authorities) > 0 && issuedBy(cert, authorities) == nil {
			c.leaveOut(item.issuer.Name, errors.New("none of the authorities of its country issued it"))
			continue
		}
		c.add(item.issuer, plain(item.key))
	}
	return nil
}

// item is one certificate of a list.
type item struct {
	issuer    trust.Issuer
	key       trust.Key
	authority bool
}

func (r *reading) items(c *Content, data []byte) ([]item, error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	switch {
	case len(data) == 0:
		return nil, errors.New("it is empty")
	case data[0] == 0x30:
		return r.named(c, [][]byte{data}), nil
	case bytes.Contains(data, []byte("-----BEGIN ")):
		ders, err := pemCertificates(data)
		if err != nil {
			return nil, err
		}
		return r.named(c, ders), nil
	}
	list, err := r.unsigned(c, data)
	if err != nil {
		return nil, err
	}
	return r.gateway(c, list)
}

// unsigned returns the JSON of a list behind its signature, which a member state's has
// on the line before it. Where a key is pinned, it must be by that.
func (r *reading) unsigned(c *Content, data []byte) ([]byte, error) {
	if data[0] == '{' || data[0] == '[' {
		if len(r.pins) > 0 {
			return nil, errUnsigned
		}
		return data, nil
	}
	signature, rest, ok := bytes.Cut(data, []byte("\n"))
	if rest = bytes.TrimSpace(rest); !ok || len(rest) == 0 || rest[0] != '{' && rest[0] != '[' {
		return nil, errors.New("expected are certificates in PEM or DER, or a gateway's list as JSON")
	}
	if len(r.pins) > 0 {
		if !r.pinned(bytes.TrimSpace(signature), rest) {
			return nil, errSigner
		}
		c.Signed = true
	}
	return rest, nil
}

// pinned reports whether a pinned key signed data: ES256, as r || s or in DER.
func (r *reading) pinned(signature, data []byte) bool {
	sig, err := base64.StdEncoding.DecodeString(string(signature))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(r.pins, func(k crypto.PublicKey) bool { return es256(k, data, sig) })
}

// named are certificates that came without anything said of them.
func (r *reading) named(c *Content, ders [][]byte) []item {
	var out []item
	for _, der := range ders {
		iss, k, err := certificateOf(der)
		if err != nil {
			c.leaveOut("a certificate", err)
			continue
		}
		out = append(out, item{iss, k, k.Certificate.IsCA})
	}
	return out
}

// gateway reads a gateway's list: an array, or an object that holds one.
func (r *reading) gateway(c *Content, data []byte) ([]item, error) {
	if err := strictJSON(data); err != nil {
		return nil, err
	}
	if isBatches(data) {
		// A source of before there were any of kind hashes goes on as it is.
		if r.last == nil || len(r.last.HashLists) == 0 {
			return nil, errors.New("it is a revocation list: that is a source of its own, of kind hashes")
		}
		return nil, r.batches(c, data)
	}
	var list []gatewayItem
	if data[0] == '[' {
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, errors.New("it is no gateway's list: expected are entries with kid, country, certificateType and rawData")
		}
	} else {
		var object struct {
			Certificates []gatewayItem `json:"certificates"`
		}
		if err := json.Unmarshal(data, &object); err != nil {
			return nil, errors.New("it is no gateway's list: expected are entries with kid, country, certificateType and rawData")
		}
		list = object.Certificates
	}
	if len(list) > 4*maxKeys {
		return nil, errors.New("it has too many entries")
	}
	var out []item
	for _, e := range list {
		if e.Type != typeSigner && e.Type != typeAuthority && e.Type != typeAuthority2 {
			continue // of the gateway's own use
		}
		one, err := e.item()
		if err != nil {
			c.leaveOut(e.Type+" "+e.Country, err)
			continue
		}
		out = append(out, one)
	}
	return out, nil
}

// item checks what an entry says of its certificate.
func (e gatewayItem) item() (item, error) {
	der, err := base64.StdEncoding.DecodeString(e.Raw)
	if err != nil {
		return item{}, errors.New("its certificate is not base64")
	}
	iss, k, err := certificateOf(der)
	if err != nil {
		return item{}, err
	}
	cert := k.Certificate
	authority := e.Type != typeSigner
	switch {
	case authority != cert.IsCA:
		return item{}, errors.New("its certificate is not of the kind that the list says")
	case e.Country != "" && country(cert) != "" && !strings.EqualFold(e.Country, country(cert)):
		return item{}, errors.New("its certificate is of another country than the list says")
	case !authority && e.KID != base64.StdEncoding.EncodeToString(k.KeyID):
		return item{}, errors.New("its key id is not that of its certificate")
	}
	if iss.Country == "" {
		iss.Country = e.Country
		iss = named(iss)
	}
	return item{iss, k, authority}, nil
}

// did reads a did:web trust list. The certificate of an entry counts, not the bare
// key beside it, and its key id is computed anew (facts of the lists: coordinates
// with a sign byte, keys without leading zeros). An authority in x5c vouches for
// nobody by being there: where authorities are pinned, one of them must have
// issued the certificate. Where a key is pinned, the list's proof must be by it.
func (r *reading) did(c *Content, data []byte) error {
	if err := strictJSON(data); err != nil {
		return err
	}
	var doc struct {
		ID      string            `json:"id"`
		Methods []json.RawMessage `json:"verificationMethod"`
	}
	if err := json.Unmarshal(data, &doc); err != nil || !strings.HasPrefix(doc.ID, "did:") || len(doc.ID) > 300 || !plainText(doc.ID) {
		return errors.New("it is no DID document")
	}
	if r.Issuer != "" && doc.ID != r.Issuer {
		return errors.New("it is the document of another subject than this source is for")
	}
	if err := r.published(r.anchors...); err != nil {
		return err
	}
	if len(r.pins) > 0 {
		var err error
		if c.Issued, err = r.proved(data); err != nil {
			return err
		}
		// One that is signed and of another subject is for a person: who serves it
		// could have put it in the place of the one that was asked for.
		c.Signed = r.last == nil || slices.ContainsFunc(r.last.Issuers, func(i trust.Issuer) bool { return i.ID == doc.ID })
	}
	for _, raw := range doc.Methods {
		iss, k, err := r.method(doc.ID, raw)
		if err != nil {
			c.leaveOut("a method", err)
			continue
		}
		if err := r.published(k.Chain...); err != nil {
			return err
		}
		c.add(iss, plain(k))
	}
	return nil
}

// method reads one verification method.
func (r *reading) method(id string, raw json.RawMessage) (trust.Issuer, trust.Key, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return trust.Issuer{}, trust.Key{}, errors.New("it is a reference: lists with embedded keys are read")
	}
	var jwk map[string]json.RawMessage
	if m["publicKeyJwk"] != nil {
		if err := json.Unmarshal(m["publicKeyJwk"], &jwk); err != nil {
			return trust.Issuer{}, trust.Key{}, errors.New("its key is not readable")
		}
	}
	certified := jwk["x5c"] != nil
	if certified {
		for _, bare := range []string{"x", "y", "n", "e"} {
			delete(jwk, bare)
		}
		var err error
		if m["publicKeyJwk"], err = json.Marshal(jwk); err != nil {
			return trust.Issuer{}, trust.Key{}, err
		}
	} else if len(r.anchors) > 0 {
		return trust.Issuer{}, trust.Key{}, errors.New("it has no certificate, and this source is pinned to authorities")
	}
	one, err := json.Marshal(map[string]any{"id": id, "verificationMethod": []any{m}})
	if err != nil {
		return trust.Issuer{}, trust.Key{}, err
	}
	b, err := trust.ParseNamed(one)
	if err != nil {
		return trust.Issuer{}, trust.Key{}, err
	}
	iss := b.Issuers[len(b.Issuers)-1]
	k := iss.Keys[0]
	iss.Keys = nil
	if k.ID == "" || len(k.ID) > 400 || !plainText(k.ID) {
		return iss, k, errors.New("it has no id")
	}
	if !certified {
		iss.Name = r.nameOr(id)
		return named(iss), k, nil
	}
	cert := k.Certificate
	_, fragment, _ := strings.Cut(k.ID, "#")
	switch {
	case cert.IsCA:
		return iss, k, errors.New("it is an authority's, which signs no certificates of people: give it as an anchor")
	case kidOf(fragment) != nil && !bytes.Equal(kidOf(fragment), k.KeyID):
		return iss, k, errors.New("its id is not that of its certificate")
	case len(r.anchors) > 0 && issuedBy(cert, r.anchors) == nil:
		return iss, k, errors.New("none of the pinned authorities of its country issued it")
	case len(k.Chain) > 0 && country(k.Chain[0]) != country(cert):
		return iss, k, errors.New("its authority is of another country")
	}
	return named(iss), k, nil
}

// kidOf is the key id that a fragment stands for, nil where it is none.
func kidOf(fragment string) []byte {
	s := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", "%3D", "=").Replace(fragment), "=")
	raw, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(raw) != 8 {
		return nil
	}
	return raw
}
