package trustlist

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"strings"

	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/trust"
)

// cards reads a JWK set or a directory of issuers of SMART Health Cards. A list of
// what was revoked counts only beside the key whose cards it is about.
func (r *reading) cards(c *Content, data []byte) error {
	if err := strictJSON(data); err != nil {
		return err
	}
	var file struct {
		Infos []json.RawMessage `json:"issuerInfo"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return errors.New("it is no JWK set and no directory of issuers")
	}
	if file.Infos == nil {
		if !cardIssuer(r.Issuer) {
			return errors.New("say whose keys these are: the https URL that its cards name as iss, without a slash at the end (--issuer)")
		}
		b, err := trust.ParseNamed(data)
		if err != nil {
			return err
		}
		for _, iss := range b.Issuers {
			r.cardKeys(c, r.Issuer, r.nameOr(r.Issuer), iss.Keys, nil)
		}
		return nil
	}
	for _, raw := range file.Infos {
		var info struct {
			Issuer struct{ Iss, Name string } `json:"issuer"`
			CRLs   []json.RawMessage          `json:"crls"`
		}
		if err := json.Unmarshal(raw, &info); err != nil || !cardIssuer(info.Issuer.Iss) {
			c.leaveOut("an issuer", errors.New("it has no https URL"))
			continue
		}
		one, err := json.Marshal(map[string][]json.RawMessage{"issuerInfo": {raw}})
		if err != nil {
			return err
		}
		b, err := trust.ParseNamed(one)
		if err != nil || len(b.Issuers) == 0 {
			c.leaveOut(info.Issuer.Iss, errors.New("its keys cannot be read"))
			continue
		}
		name := info.Issuer.Name
		if name == "" {
			name = info.Issuer.Iss
		}
		r.cardKeys(c, info.Issuer.Iss, name, b.Issuers[0].Keys, info.CRLs)
	}
	return nil
}

// cardKeys adds the keys of one issuer of cards.
func (r *reading) cardKeys(c *Content, iss, name string, keys []trust.Key, crls []json.RawMessage) {
	newest := map[string]int64{}
	for _, raw := range crls {
		list, err := shc.ParseCRL(raw)
		if err != nil {
			c.leaveOut(iss, err)
			continue
		}
		newest[list.KeyID] = max(newest[list.KeyID], list.Counter, 1)
	}
	own := map[string]bool{}
	for _, k := range keys {
		public, ok := k.Public.(*ecdsa.PublicKey)
		if !ok || shc.Thumbprint(public) == "" || k.ID != shc.Thumbprint(public) {
			c.leaveOut(iss, errors.New("a key is not of the curve P-256, or not called by its thumbprint"))
			continue
		}
		own[k.ID] = true
		// A verifier that has no list of this number cannot tell what was revoked.
		c.add(named(trust.Issuer{ID: iss, Name: name}), trust.Key{ID: k.ID, Public: k.Public, CardList: max(k.CardList, newest[k.ID])})
	}
	for _, raw := range crls {
		if list, err := shc.ParseCRL(raw); err == nil && own[list.KeyID] {
			c.Cards = append(c.Cards, bytes.Clone(raw))
		} else if err == nil {
			c.leaveOut(iss, errors.New("a revocation list is of a key that is not this issuer's"))
		}
	}
}

// cardIssuer reports whether s can be the iss of cards.
func cardIssuer(s string) bool {
	return strings.HasPrefix(s, "https://") && len(s) < 300 && !strings.HasSuffix(s, "/") && len(s) > len("https://") && plainText(s)
}
