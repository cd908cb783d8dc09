package trust_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gowebpki/jcs"

	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Whom a publisher trusts never signs for the publisher (wrong list signer): the
// keys of an imported issuer stand in the same bundle.
func TestOnlyThePublisherSigns(t *testing.T) {
	own, other := newDocumentKey(t), newDocumentKey(t)
	b := sample(t, own)
	b.Issuers = append(b.Issuers, trust.Issuer{ID: "did:web:other.example", Name: "Other", Keys: []trust.Key{other.key()}})
	if _, err := b.Sign(other); err == nil {
		t.Error("signed with a key of somebody whom the publisher trusts")
	}
	data := signed(t, b, own)
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc, "proofs")
	canonical := func() []byte {
		plain, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		out, err := jcs.Transform(plain)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	sig, err := other.Sign(canonical())
	if err != nil {
		t.Fatal(err)
	}
	doc["proofs"] = []trust.Proof{{Key: other.ID(), Signature: sig}}
	if _, err := trust.Parse(canonical()); err == nil || !strings.Contains(err.Error(), "does not list") {
		t.Errorf("a bundle signed by an imported issuer is read: %v", err)
	}
	if _, err := trust.Parse(data); err != nil {
		t.Error(err)
	}
}

// Removing a source of keys reaches every verifier; what an issuer that still
// counts withdrew is not forgotten.
func TestOthersComeAndGo(t *testing.T) {
	key, other := newDocumentKey(t), newDocumentKey(t)
	was := func(hcid string) trust.Snapshot {
		return trust.Snapshot{Issuer: "did:web:other.example", AsOf: day(9), NextUpdate: day(10), Revoked: trust.NewHashes([]trust.Hash{trust.HashOf(hcid)})}
	}
	one := sample(t, key)
	make := func(version int64, at time.Time, others []trust.Issuer, states ...trust.Snapshot) *trust.Bundle {
		b := *one
		b.Version, b.Issued = version, at
		b.Issuers = slices.Concat(one.Issuers, others)
		b.Status = slices.Concat(one.Status, states)
		signed(t, &b, key)
		return &b
	}
	many := []trust.Issuer{{ID: "did:web:other.example", Name: "Other", Keys: []trust.Key{other.key()}}}
	for range 20 {
		many = append(many, trust.Issuer{Name: "Signer", Country: "XX", Keys: []trust.Key{newDocumentKey(t).key()}})
	}
	base := make(7, day(10), many, was("a"))
	if err := make(8, day(11), nil).Replaces(base); err != nil {
		t.Errorf("a source that was removed stays with verifiers: %v", err)
	}
	if err := make(8, day(11), many).Replaces(base); vaccination.ErrorCode(err) != vaccination.Conflict {
		t.Errorf("what an issuer withdrew was forgotten: %v", err)
	}
	if err := make(8, day(11), many, was("b")).Replaces(base); err == nil {
		t.Error("an issuer's withdrawn certificate became valid again")
	}
}

// A short name tells the state that the whole name does.
func TestHandle(t *testing.T) {
	hcid := "URN:UVCI:01:JM:0G7Q2M5VX8K3TR9ZC4WYB1NA#Q"
	h := trust.Handle(hcid)
	if len(h) != 12 || h != trust.Handle(strings.TrimSuffix(hcid, "#Q")) {
		t.Errorf("%q", h)
	}
	var others []trust.Hash
	for i := range 2000 {
		others = append(others, trust.Hash{byte(i), byte(i >> 3), 7})
	}
	s := trust.Snapshot{Revoked: trust.NewHashes(append(others, trust.HashOf(hcid))), Suspended: trust.NewHashes(others)}
	if got := s.Status(h); got != vaccination.StatusRevoked {
		t.Errorf("by its short name it is %s", got)
	}
	if got := s.Status(trust.Handle("another")); got != vaccination.StatusValid {
		t.Errorf("another is %s", got)
	}
	s.Revoked = trust.NewHashes(others)
	if got := s.Status(h); got != vaccination.StatusValid {
		t.Errorf("it is %s", got)
	}
}
