package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/opendivoc/divoc/credential/jcs"
)

// seconds is t as bundles hold it.
func seconds(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

// encode returns the JSON of b without proofs, with room for more bytes, and
// where in it proofs belong. It is put together by hand because sets may hold
// many millions of bytes, which encoding/json copies several times.
func (b *Bundle) encode(room int) (data []byte, proofs int, err error) {
	issuers, err := b.issuersJSON()
	if err != nil {
		return nil, 0, err
	}
	var hashed []hashListJSON
	for _, h := range b.HashLists {
		hashed = append(hashed, hashListJSON{h.Country, seconds(h.Expires), h.Type, h.Hashes, h.KeyID})
	}
	var cards []cardListJSON
	for _, c := range b.Cards {
		cards = append(cards, cardListJSON{c.Counter, c.KeyID, c.Rids()})
	}
	head, err := marshal(struct {
		Cards   []cardListJSON `json:"cardLists,omitempty"`
		Format  string         `json:"format"`
		Hashed  []hashListJSON `json:"hashLists,omitempty"`
		Issued  time.Time      `json:"issued"`
		Issuers []issuerJSON   `json:"issuers"`
	}{cards, bundleFormat, hashed, seconds(b.Issued), issuers})
	if err != nil {
		return nil, 0, err
	}
	size := len(head) + room + 300
	for i := range b.Status {
		s := &b.Status[i]
		size += 300 + 6*len(s.Issuer) + base64.StdEncoding.EncodedLen(len(s.Revoked)+len(s.Superseded)+len(s.Suspended)+6)
	}
	data = append(make([]byte, 0, size), head[:len(head)-1]...)
	data = append(data, ',')
	proofs = len(data)
	if b.Rules != nil {
		rules, err := marshal(RulesNote{seconds(b.Rules.Changed), b.Rules.SHA256, b.Rules.Version})
		if err != nil {
			return nil, 0, err
		}
		data = append(append(append(data, `"rules":`...), rules...), ',')
	}
	for i := range b.Status {
		data = append(data, []string{`"status":[`, `,`}[min(i, 1)]...)
		if data, err = b.Status[i].appendJSON(data); err != nil {
			return nil, 0, err
		}
	}
	if len(b.Status) > 0 {
		data = append(data, `],`...)
	}
	if len(b.Verifier) > 0 {
		data = append(base64.StdEncoding.AppendEncode(append(data, `"verifier":"`...), b.Verifier), `",`...)
	}
	data = append(strconv.AppendInt(append(data, `"version":`...), b.Version, 10), '}')
	return data, proofs, nil
}

func (b *Bundle) issuersJSON() ([]issuerJSON, error) {
	out := []issuerJSON{}
	for _, iss := range b.Issuers {
		j := issuerJSON{ID: iss.ID, Name: iss.Name, Country: iss.Country, Specimen: iss.Specimen, Keys: []keyJSON{}}
		for _, k := range iss.Keys {
			e, err := encodeKey(k)
			if err != nil {
				return nil, err
			}
			j.Keys = append(j.Keys, e)
		}
		out = append(out, j)
	}
	return out, nil
}

// appendJSON appends the JSON of s.
func (s *Snapshot) appendJSON(data []byte) ([]byte, error) {
	head, err := marshal(snapshotJSON{AsOf: seconds(s.AsOf), Issuer: s.Issuer, NextUpdate: seconds(s.NextUpdate)})
	if err != nil {
		return nil, err
	}
	data = append(data, head[:len(head)-1]...)
	for _, set := range []struct {
		name   string
		hashes Hashes
	}{{"revoked", s.Revoked}, {"superseded", s.Superseded}, {"suspended", s.Suspended}} {
		if len(set.hashes) > 0 {
			data = append(append(append(data, `,"`...), set.name...), `":"`...)
			data = append(base64.StdEncoding.AppendEncode(data, set.hashes), '"')
		}
	}
	return append(data, '}'), nil
}

// withProofs puts proofs at their place into what encode made, in its memory
// where there is room.
func withProofs(data []byte, at int, proofs []Proof) ([]byte, error) {
	if len(proofs) == 0 {
		return data, nil
	}
	list, err := marshal(proofs)
	if err != nil {
		return nil, err
	}
	return slices.Insert(data, at, slices.Concat([]byte(`"proofs":`), list, []byte(","))...), nil
}

// marshal returns the JSON of v in the form of JCS. Where members stand in order
// and numbers are whole, encoding/json differs from it only in the two line
// separators that it escapes.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode a trust bundle: %w", err)
	}
	data := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if bytes.Contains(data, []byte(`\u202`)) {
		return jcs.Canonical(data)
	}
	return data, nil
}

func encodeKey(k Key) (keyJSON, error) {
	out := keyJSON{ID: k.ID, CardList: k.CardList, Retired: seconds(k.Retired)}
	if k.Certificate != nil {
		out.X5c = append(out.X5c, k.Certificate.Raw)
		for _, c := range k.Chain {
			out.X5c = append(out.X5c, c.Raw)
		}
		if !slices.Equal(k.Usage, CertificateUsage(k.Certificate)) { // it counts for less
			out.Usage = k.Usage
		}
		return out, nil
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil {
		return keyJSON{}, fmt.Errorf("encode a public key: %w", err)
	}
	out.Public, out.KeyID, out.Usage = der, k.KeyID, k.Usage
	out.NotBefore, out.NotAfter = seconds(k.NotBefore), seconds(k.NotAfter)
	return out, nil
}
