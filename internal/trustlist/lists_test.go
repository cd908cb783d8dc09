package trustlist

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

func (r reading) of(t testing.TB, data []byte) (*Content, error) {
	t.Helper()
	if r.Anchors != "" {
		var err error
		if r.Anchors, r.anchors, r.pins, err = parseAnchors([]byte(r.Anchors)); err != nil {
			t.Fatal(err)
		}
	}
	return r.read(data)
}

func (r reading) good(t testing.TB, data []byte) *Content {
	t.Helper()
	return must(r.of(t, data))(t)
}

// each row is a list with one thing wrong, and what is to come of it.
func TestSignerLists(t *testing.T) {
	de, fr := newAuthority(t, "Health DE", "DE"), newAuthority(t, "Health FR", "FR")
	rogue := newAuthority(t, "Health DE", "DE") // the same name, another key
	a, b := de.signer(t), fr.signer(t)
	good := []gatewayItem{entry("CSCA", "DE", de.cert), entry("CSCA", "FR", fr.cert), entry("DSC", "DE", a), entry("DSC", "FR", b), {Type: "UPLOAD", Raw: "x"}}
	with := func(items ...gatewayItem) []byte { return asJSON(t, append(slices.Clone(good), items...)) }
	wrongKid := entry("DSC", "DE", de.signer(t))
	wrongKid.KID = entry("DSC", "DE", a).KID
	expiredAuthority := newAuthority(t, "Old", "IT")
	pin := newKey(t)
	body := asJSON(t, map[string]any{"certificates": good})
	signature := func(k *ecdsa.PrivateKey) string {
		digest := sha256.Sum256(body)
		r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		raw := make([]byte, 64)
		r.FillBytes(raw[:32])
		s.FillBytes(raw[32:])
		return base64.StdEncoding.EncodeToString(raw)
	}
	pinned := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(pin.Public()))(t)}))
	for name, tc := range map[string]struct {
		data    []byte
		anchors string
		keys    int    // that count
		out     string // of what is left out
		refused string
		signed  bool
	}{
		"a gateway's list":                                {data: with(), keys: 2},
		"a member state's list, unsigned":                 {data: body, keys: 2},
		"a member state's list, signed":                   {data: []byte(signature(pin) + "\n" + string(body)), anchors: pinned, keys: 2, signed: true},
		"wrong signer: signed with another key":           {data: []byte(signature(newKey(t)) + "\n" + string(body)), anchors: pinned, refused: "pinned"},
		"wrong signer: not signed at all":                 {data: body, anchors: pinned, refused: "not signed"},
		"PEM with its authorities":                        {data: pems(de.cert, a), keys: 1},
		"PEM of a signer alone, for a person":             {data: pems(a), keys: 1},
		"DER":                                             {data: a.Raw, keys: 1},
		"x5c trusted blindly: an authority of its own":    {data: pems(rogue.cert, rogue.signer(t)), anchors: string(pems(de.cert)), refused: "names no key"},
		"a signer of an authority that is not pinned":     {data: with(), anchors: string(pems(de.cert)), keys: 1, out: "none of the authorities"},
		"a signer that its country's authority never saw": {data: with(entry("DSC", "DE", rogue.signer(t))), keys: 2, out: "none of the authorities"},
		"kid collision: another certificate's key id":     {data: with(wrongKid), keys: 2, out: "key id"},
		"another country than the certificate's":          {data: with(entry("DSC", "FR", de.signer(t))), keys: 2, out: "another country"},
		"issued for another country":                      {data: with(entry("DSC", "FR", de.signer(t, func(c *x509.Certificate) { c.Subject.Country = []string{"FR"} }))), keys: 2, out: "none of the authorities"},
		"issued before its authority was": {data: with(entry("CSCA", "IT", expiredAuthority.cert), entry("DSC", "IT", expiredAuthority.signer(t, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = from.AddDate(-2, 0, 0), until
		}))), keys: 2, out: "none of the authorities"},
		"an authority passed off as a signer": {data: with(entry("DSC", "DE", de.cert)), keys: 2, out: "not of the kind"},
		"a certificate that is none":          {data: with(gatewayItem{Type: "DSC", Country: "DE", Raw: "AAAA"}), keys: 2, out: "no certificate"},
		"the same one twice":                  {data: with(good...), keys: 2},
		"empty list":                          {data: []byte(`[]`), refused: "names no key"},
		"nothing":                             {data: nil, refused: "empty"},
		"a member twice":                      {data: []byte(`[{"kid":"a","kid":"b"}]`), refused: "twice"},
		"more after its end":                  {data: append(with(), '1'), refused: "follows"},
		"a web page":                          {data: []byte("<html>\n<p>"), refused: "expected"},
		"oversize":                            {data: make([]byte, MaxSize+1), refused: "16 MiB"},
		"a private key beside it":             {data: append(pems(a), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})...), refused: "nothing else"},
		"deeply nested":                       {data: []byte(strings.Repeat("[", 100) + strings.Repeat("]", 100)), refused: "nested"},
		"too many":                            {data: asJSON(t, make([]gatewayItem, 4*maxKeys+1)), refused: "too many"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := reading{Settings: Settings{Kind: Certificates, Anchors: tc.anchors}}.of(t, tc.data)
			if tc.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tc.refused) {
					t.Fatalf("%v, want %q", err, tc.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Keys() != tc.keys || c.Signed != tc.signed || strings.Contains(strings.Join(c.LeftOut, "\n"), tc.out) != true || (tc.out == "") != (len(c.LeftOut) == 0) {
				t.Errorf("%d keys, signed %v, left out %v", c.Keys(), c.Signed, c.LeftOut)
			}
			for _, iss := range c.Issuers {
				for _, k := range iss.Keys {
					if len(k.KeyID) != 8 || k.Certificate != nil || k.NotAfter.IsZero() || !strings.HasSuffix(iss.Name, "("+iss.Country+")") {
						t.Errorf("%+v of %+v", k, iss)
					}
				}
			}
		})
	}
}

// Names of lists are shown to people: none turns or hides what stands beside it.
func TestHostileNames(t *testing.T) {
	for name, tc := range map[string]string{
		"Ministry\u202eof Health":        "Ministryof Health (DE)",
		"a\nb\tc":                        "a b c (DE)",
		"\u200f\u0000":                   "no name (DE)",
		strings.Repeat("é", 5000):        strings.Repeat("é", 100) + " (DE)",
		"<script>":                       "<script> (DE)",
		"Own Ministry (JM)":              "Own Ministry (JM) (DE)",
		"\u0dc1\u0dca\u200d\u0dbb\u0dd3": "\u0dc1\u0dca\u200d\u0dbb\u0dd3 (DE)",
		"\xff\xfeName":                   "Name (DE)",
	} {
		if got := named(trust.Issuer{Name: name, Country: "de"}); got.Name != tc {
			t.Errorf("%q is shown as %q, want %q", name, got.Name, tc)
		}
	}
	if got := named(trust.Issuer{Name: "x", Country: "\u202e!"}); got.Country != "" || got.Name != "x" {
		t.Errorf("%+v", got)
	}
}

func cardJWK(t testing.TB, k *ecdsa.PrivateKey, crl int) map[string]any {
	t.Helper()
	raw := must(k.PublicKey.Bytes())(t)
	e := base64.RawURLEncoding.EncodeToString
	out := map[string]any{"kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "kid": shc.Thumbprint(&k.PublicKey), "x": e(raw[1:33]), "y": e(raw[33:])}
	if crl > 0 {
		out["crlVersion"] = crl
	}
	return out
}

func TestCardIssuers(t *testing.T) {
	a, b := newKey(t), newKey(t)
	thumb := func(k *ecdsa.PrivateKey) string { return shc.Thumbprint(&k.PublicKey) }
	set := asJSON(t, map[string]any{"keys": []any{cardJWK(t, a, 3)}})
	c := reading{Settings: Settings{Kind: Cards, Issuer: "https://cards.example/x", IssuerName: "Cards"}}.good(t, set)
	if c.Keys() != 1 || c.Issuers[0].ID != "https://cards.example/x" || c.Issuers[0].Name != "Cards" || c.Issuers[0].Keys[0].CardList != 3 || len(c.Issuers[0].Keys[0].KeyID) != 0 {
		t.Errorf("%+v", c.Issuers)
	}
	if _, err := (reading{Settings: Settings{Kind: Cards}}).of(t, set); err == nil || !strings.Contains(err.Error(), "--issuer") {
		t.Errorf("keys of nobody: %v", err)
	}
	renamed := cardJWK(t, a, 0)
	renamed["kid"] = thumb(b)
	if _, err := (reading{Settings: Settings{Kind: Cards, Issuer: "https://cards.example"}}).of(t, asJSON(t, map[string]any{"keys": []any{renamed}})); err == nil {
		t.Error("kid collision: a key under another's thumbprint counts")
	}
	info := func(iss string, crls []json.RawMessage, keys ...any) map[string]any {
		return map[string]any{"issuer": map[string]string{"iss": iss, "name": iss}, "keys": keys, "crls": crls}
	}
	foreign := shc.EncodeCRL(thumb(b), 9, []string{"abc"})
	own := shc.EncodeCRL(thumb(a), 2, []string{"abc"})
	directory := asJSON(t, map[string]any{"issuerInfo": []any{
		info("https://a.example", []json.RawMessage{own, foreign}, cardJWK(t, a, 0)), info("https://b.example", nil, cardJWK(t, b, 0)),
		info("http://plain.example", nil, cardJWK(t, newKey(t), 0)), info("https://slash.example/", nil, cardJWK(t, newKey(t), 0)),
	}})
	c = reading{Settings: Settings{Kind: Cards}}.good(t, directory)
	if c.Keys() != 2 || len(c.Cards) != 1 || len(c.LeftOut) != 3 {
		t.Errorf("%d keys, %d lists, left out %v", c.Keys(), len(c.Cards), c.LeftOut)
	}
	for _, iss := range c.Issuers {
		if want := map[string]int64{"https://a.example": 2, "https://b.example": 0}[iss.ID]; iss.Keys[0].CardList != want {
			t.Errorf("%s: list %d, want %d", iss.ID, iss.Keys[0].CardList, want)
		}
	}
}

// Attack class A, key usage: a passport authority has no usage in its certificate, and
// counts for seals alone, also in the bundle of verifiers without network.
func TestAuthoritiesCountForSealsAlone(t *testing.T) {
	read := reading{Settings: Settings{Kind: MasterList}}.good(t, pems(newAuthority(t, "Passports", "DE").cert))
	data, _, err := read.pack()
	if err != nil {
		t.Fatal(err)
	}
	for where, c := range map[string]*Content{"as read": read, "as stored": must(unpack(data))(t)} {
		k := c.Issuers[0].Keys[0]
		if k.Allows(trust.Vaccination) || k.Allows(trust.Test) || !k.Allows(trust.Seal) || k.Certificate == nil {
			t.Errorf("%s it signs %v", where, k.Usage)
		}
	}
}

func TestKeysOfDIVOC(t *testing.T) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(public))(t)})
	c := reading{Settings: Settings{Kind: Keys, Issuer: "did:india", IssuerName: "Old authority"}}.good(t, block)
	if k := c.Issuers[0].Keys[0]; k.ID != "did:india" || !slices.Equal(k.Usage, []trust.Usage{trust.DIVOC}) || k.Allows(trust.Vaccination) {
		t.Errorf("it may sign other formats too: %+v", k)
	}
	if _, err := (reading{Settings: Settings{Kind: Keys}}).of(t, block); err == nil {
		t.Error("a key without a name would be tried on every certificate")
	}
	if _, err := (reading{Settings: Settings{Kind: Keys, Issuer: "did:x"}}).of(t, pems(newAuthority(t, "x", "XA").cert)); err == nil {
		t.Error("a certificate counts as a key of DIVOC's format")
	}
}

// What never counts, whoever names it.
func TestNeverCounts(t *testing.T) {
	de := newAuthority(t, "Health", "DE")
	dsc := de.signer(t)
	own := trust.Issuer{ID: "did:web:own.example", Keys: []trust.Key{{Public: dsc.PublicKey}}}
	if _, err := (reading{Settings: Settings{Kind: Certificates}, own: own}).of(t, pems(dsc)); err == nil || !strings.Contains(err.Error(), "own") {
		t.Errorf("our own key in a list of others: %v", err)
	}
	_, err := reading{Settings: Settings{Kind: DID}, own: own}.of(t, testDocument(t, own.ID, method(own.ID, de.signer(t), de.cert)))
	if vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("a list in our own name: %v", err)
	}
}

// The same list has one digest, whatever its order, and is read back as stored.
func TestStoredAsRead(t *testing.T) {
	de, fr := newAuthority(t, "Health DE", "DE"), newAuthority(t, "Health FR", "FR")
	var certs []*x509.Certificate
	for range 8 {
		certs = append(certs, de.signer(t), fr.signer(t))
	}
	r := reading{Settings: Settings{Kind: Certificates}}
	a := r.good(t, pems(certs...))
	slices.Reverse(certs)
	b := r.good(t, pems(certs...))
	data, digest, err := a.pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, other, err := b.pack(); err != nil || other != digest {
		t.Errorf("the same list in another order has another digest: %v", err)
	}
	if got := must(digestOf(data))(t); got != digest {
		t.Error("the stored list has another digest")
	}
	if d := Difference(a, must(unpack(data))(t)); len(d) != 0 {
		t.Errorf("stored and read back it differs: %v", d)
	}
	if _, err := unpack(append([]byte{1}, data...)); err == nil {
		t.Error("a damaged list is read")
	}
}

func TestDifference(t *testing.T) {
	key := func(country string, n byte, until time.Time) trust.Issuer {
		return trust.Issuer{Name: "x (" + country + ")", Country: country, Keys: []trust.Key{{KeyID: []byte{n, 2, 3, 4, 5, 6, 7, 8}, Public: ed25519.PublicKey(append(make([]byte, 31), n)), NotBefore: from, NotAfter: until}}}
	}
	old := &Content{Issuers: []trust.Issuer{key("DE", 1, until), key("FR", 2, until), key("IT", 3, until)}}
	next := &Content{Issuers: []trust.Issuer{key("DE", 1, until), key("FR", 2, until.AddDate(1, 0, 0)), key("ES", 4, until)}}
	var got []string
	for _, c := range Difference(old, next) {
		got = append(got, c.What+" "+c.Key.Country)
	}
	if want := "removed IT, changed FR, added ES"; strings.Join(got, ", ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if a, r, c := count(Difference(nil, next)); a != 3 || r != 0 || c != 0 {
		t.Error(a, r, c)
	}
}

// Each row is a list that may not take the place of the one before (rollback,
// empty list, partial list).
func TestRefusals(t *testing.T) {
	list := func(n int, issued time.Time, serial int64) *Content {
		c := &Content{Issued: issued, Serial: serial}
		for i := range n {
			c.add(trust.Issuer{Name: "x", Country: "DE"}, trust.Key{ID: fmt.Sprint("k", i), Public: ed25519.PublicKey(append(make([]byte, 31), byte(i))), NotAfter: until})
		}
		return c
	}
	at := from.AddDate(0, 6, 0)
	status := func(c *Content, asOf time.Time, revoked ...string) *Content {
		var hs []trust.Hash
		for _, r := range revoked {
			hs = append(hs, trust.HashOf(r))
		}
		c.Status = []trust.Snapshot{{Issuer: "did:web:x", AsOf: asOf, NextUpdate: asOf, Revoked: trust.NewHashes(hs)}}
		return c
	}
	for name, tc := range map[string]struct {
		old, next *Content
		loss      int
		want      string
	}{
		"the first":                      {nil, list(1, time.Time{}, 0), 20, ""},
		"one of five gone":               {list(5, at, 1), list(4, at, 1), 20, ""},
		"partial list: two of five gone": {list(5, at, 1), list(3, at, 1), 20, "lacks 2 of 5"},
		"any loss refused":               {list(100, at, 1), list(99, at, 1), 0, "lacks 1 of 100"},
		"any loss allowed, by setting":   {list(100, at, 1), list(1, at, 1), 100, ""},
		"empty list, by any setting":     {list(5, at, 1), list(0, at, 1), 100, "empty"},
		"empty list, the first":          {nil, list(0, at, 1), 100, "empty"},
		"rollback: an older number":      {list(5, at, 7), list(5, at, 6), 20, "older"},
		"rollback: an older date":        {list(5, at, 7), list(5, at.Add(-time.Second), 7), 20, "before the one in use"},
		"rollback: no date any more":     {list(5, at, 0), list(5, time.Time{}, 0), 20, "when it was made"},
		"freeze is no rollback":          {list(5, at, 7), list(5, at, 7), 20, ""},
		"states gone":                    {status(list(5, at, 1), at), list(5, at, 2), 20, "withdrawn"},
		"states older":                   {status(list(5, at, 1), at), status(list(5, at, 2), at.Add(-time.Hour)), 20, "older"},
		"revoked to valid":               {status(list(5, at, 1), at, "a"), status(list(5, at, 2), at), 20, "valid again"},
	} {
		t.Run(name, func(t *testing.T) {
			err := replaces(tc.old, tc.next, tc.loss, at)
			if (tc.want == "") != (err == nil) || err != nil && (!strings.Contains(err.Error(), tc.want) || vaccination.ErrorCode(err) != vaccination.Conflict) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
	gone := list(5, at, 1)
	for i := range gone.Issuers[0].Keys {
		gone.Issuers[0].Keys[i].NotAfter = at.Add(-time.Hour)
	}
	if err := replaces(gone, list(1, at, 1), 20, at); err != nil {
		t.Errorf("keys whose time was over are missed: %v", err)
	}
}

// FuzzRead: no list makes reading fail badly, whatever it is said to be, and none
// that is read is empty or differs once stored.
func FuzzRead(f *testing.F) {
	de := newAuthority(f, "Health DE", "DE")
	dsc := de.signer(f)
	f.Add(uint8(0), pems(de.cert, dsc))
	f.Add(uint8(0), asJSON(f, []gatewayItem{entry("CSCA", "DE", de.cert), entry("DSC", "DE", dsc)}))
	f.Add(uint8(6), batches(f, batch("DE", kidOfBatch, trust.HashUCI, 0, 2, until), batch("FR", "", trust.HashSignature, 0, 1, until)))
	f.Add(uint8(1), testDocument(f, "did:web:x", method("did:web:x", dsc, de.cert)))
	f.Add(uint8(2), asJSON(f, map[string]any{"issuerInfo": []any{map[string]any{"issuer": map[string]string{"iss": "https://a.example"}, "keys": []any{cardJWK(f, newKey(f), 1)}}}}))
	f.Add(uint8(3), pems(de.cert))
	f.Add(uint8(4), []byte("z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"))
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		r := reading{Settings: Settings{Kind: Kinds()[int(kind)%len(Kinds())], Issuer: "https://cards.example"}}
		if r.Kind == DID {
			r.Issuer = ""
		}
		c, err := r.read(data)
		if err != nil {
			return
		}
		if c.Size() == 0 {
			t.Error("an empty list was read")
		}
		packed, digest, err := c.pack()
		if err != nil {
			t.Fatalf("what was read cannot be stored: %v", err)
		}
		if got, err := digestOf(packed); err != nil || got != digest {
			t.Errorf("stored it differs: %v", err)
		}
	})
}
