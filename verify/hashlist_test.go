package verify_test

import (
	"crypto/elliptic"
	"math/big"
	"testing"

	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
)

// An EU DCC that is in a revocation list of its country is revoked, however it is
// named there, and also where a snapshot calls it valid. Lists of others do not
// reach it.
func TestHashLists(t *testing.T) {
	e := newEnv(t)
	cose, err := hcert.EncodeEU(e.content, e.options.Catalogue, e.qr)
	if err != nil {
		t.Fatal(err)
	}
	m, err := hcert.DecodeCOSE(cose)
	if err != nil {
		t.Fatal(err)
	}
	id, both := trust.HashUCIs("JM", e.content.Info.HCID)
	_, abroad := trust.HashUCIs("NL", e.content.Info.HCID)
	for name, c := range map[string]struct {
		country string
		kid     []byte
		of      trust.HashType
		hash    trust.Hash
		revoked bool
	}{
		"by its id":                            {"JM", e.qr.KeyID(), trust.HashUCI, id, true},
		"by country and id":                    {"JM", e.qr.KeyID(), trust.HashCountryUCI, both, true},
		"by its signature":                     {"JM", e.qr.KeyID(), trust.HashSignature, m.SignatureHash(), true},
		"by its signature, of any key":         {"JM", nil, trust.HashSignature, m.SignatureHash(), true},
		"by another country and its id":        {"JM", e.qr.KeyID(), trust.HashCountryUCI, abroad, false},
		"wrong list signer: a foreign country": {"NL", nil, trust.HashUCI, id, false},
		"wrong list signer: another key":       {"JM", make([]byte, 8), trust.HashUCI, id, false},
	} {
		t.Run(name, func(t *testing.T) {
			list := trust.HashList{Country: c.country, KeyID: c.kid, Type: c.of, Expires: e.now, Hashes: trust.NewHashes([]trust.Hash{c.hash})}
			read, err := trust.ParseNamed(list.EncodeBatch()) // as --trust reads it
			if err != nil {
				t.Fatal(err)
			}
			o := *e
			o.others = []*trust.Bundle{read}
			s := verify.Text(t.Context(), text(t, cose), o.opts())
			if want := map[bool]verify.Verdict{true: verify.NotValid, false: verify.Valid}[c.revoked]; s.Verdict != want || s.Has(verify.Revoked) != c.revoked || s.Format != verify.FormatEUDCC {
				t.Error(s.Text("en"))
			}
		})
	}
}

// ECDSA lets anybody make a second signature that fits, n-s for s. A list names the
// first half of it, which stays, so the second one is withdrawn too.
func TestTheOtherHalfOfASignatureEscapesNoList(t *testing.T) {
	e := newEnv(t)
	cose, err := hcert.EncodeEU(e.content, e.options.Catalogue, e.qr)
	if err != nil {
		t.Fatal(err)
	}
	m, err := hcert.DecodeCOSE(cose)
	if err != nil {
		t.Fatal(err)
	}
	e.others = []*trust.Bundle{{HashLists: []trust.HashList{{Country: "JM", Type: trust.HashSignature, Expires: e.now, Hashes: trust.NewHashes([]trust.Hash{m.SignatureHash()})}}}}
	second := cose[len(cose)-32:]
	s := new(big.Int).SetBytes(second)
	s.Sub(elliptic.P256().Params().N, s).FillBytes(second)
	if s := verify.Text(t.Context(), text(t, cose), e.opts()); !s.Has(verify.Revoked) || s.Content == nil {
		t.Error(s.Text("en"))
	}
}
