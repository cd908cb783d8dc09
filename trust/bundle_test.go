package trust_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gowebpki/jcs"

	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

func signed(t testing.TB, b *trust.Bundle, keys ...trust.Signer) []byte {
	t.Helper()
	data, err := b.Sign(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestBundleReadsBackAsWritten(t *testing.T) {
	key := newDocumentKey(t)
	b := sample(t, key)
	data := signed(t, b, key)
	got, err := trust.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, got); diff != "" {
		t.Error(diff)
	}
	if again := signed(t, got, key); !bytes.Equal(again, data) {
		t.Errorf("written again as\n%s\nbefore\n%s", again, data)
	}
}

// A key may count for less than its certificate says, and never for more.
func TestUsageIsNarrowedAndNeverWidened(t *testing.T) {
	key, sca := newDocumentKey(t), newAuthority(t, "Ministry", "JM")
	test, vaccination := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 1}, asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 1847, 2021, 1, 2}
	for name, c := range map[string]struct {
		of   []asn1.ObjectIdentifier // extended key usages of the certificate
		want trust.Usage
		ok   bool
	}{
		"of everything":  {nil, trust.Seal, true},
		"of two":         {[]asn1.ObjectIdentifier{test, vaccination}, trust.Test, true},
		"of another one": {[]asn1.ObjectIdentifier{test}, trust.Vaccination, false},
	} {
		b := sample(t, key)
		k := &b.Issuers[0].Keys[0]
		k.Certificate, k.Chain = sca.signer(t, c.of...), nil
		k.Public, k.KeyID, k.NotBefore, k.NotAfter = k.Certificate.PublicKey, trust.CertificateKeyID(k.Certificate), k.Certificate.NotBefore, k.Certificate.NotAfter
		k.Usage = []trust.Usage{c.want}
		data, err := b.Sign(key)
		if !c.ok {
			if err == nil {
				t.Errorf("%s: it counts for more than its certificate allows", name)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := trust.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if k := got.Issuers[0].Keys[0]; !slices.Equal(k.Usage, []trust.Usage{c.want}) {
			t.Errorf("%s: it counts for %v", name, k.Usage)
		}
	}
}

func TestBundleIsInTheFormOfJCS(t *testing.T) {
	key := newDocumentKey(t)
	b := sample(t, key)
	for _, r := range "a\x00\b\f\n\r\t\x1f\"\\\\/<>&\x7f\u0085\u2027\u2028\u2029\u202a\ufeff\uffff\U0001F489" {
		for _, name := range []string{string(r), "x" + string(r) + `\u2028`} {
			b.Issuers[0].Name = name
			data := signed(t, b, key)
			want, err := jcs.Transform(data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(data)); diff != "" {
				t.Errorf("%q: %s", name, diff)
			}
			if got, err := trust.Parse(data); err != nil || got.Issuers[0].Name != name {
				t.Errorf("%q: read back as %v, %v", name, got, err)
			}
		}
	}
}

func TestParseRefusesABundle(t *testing.T) {
	key, other := newDocumentKey(t), newDocumentKey(t)
	good := string(signed(t, sample(t, key), key))
	retired := sample(t, key)
	retired.Issuers[0].Keys[1].Retired = day(9)
	message := func(b *trust.Bundle, k documentKey) error { _, err := b.Sign(k); return err }
	for name, err := range map[string]error{
		"signed with a key it does not list":  message(sample(t, key), other),
		"signed with a key it calls retired":  message(retired, key),
		"with a status of an unknown issuer":  message(change(sample(t, key), func(b *trust.Bundle) { b.Status[0].Issuer = "did:web:other" }), key),
		"with two states of one issuer":       message(change(sample(t, key), func(b *trust.Bundle) { b.Status = append(b.Status, b.Status[0]) }), key),
		"with a status later than itself":     message(change(sample(t, key), func(b *trust.Bundle) { b.Status[0].AsOf = day(11) }), key),
		"with a status that ends before":      message(change(sample(t, key), func(b *trust.Bundle) { b.Status[0].NextUpdate = day(9) }), key),
		"with a set that is not sorted":       message(change(sample(t, key), func(b *trust.Bundle) { s := b.Status[0].Revoked; b.Status[0].Revoked = append(s[16:32:32], s[:16]...) }), key),
		"with a set that repeats a hash":      message(change(sample(t, key), func(b *trust.Bundle) { s := b.Status[0].Revoked; b.Status[0].Revoked = append(s[:16:16], s[:16]...) }), key),
		"with a set that ends within a hash":  message(change(sample(t, key), func(b *trust.Bundle) { b.Status[0].Revoked = b.Status[0].Revoked[:20] }), key),
		"without a date":                      message(change(sample(t, key), func(b *trust.Bundle) { b.Issued = day(0).AddDate(-2025, 0, 0) }), key),
		"with a version beyond JSON's reach":  message(change(sample(t, key), func(b *trust.Bundle) { b.Version = 1 << 53 }), key),
		"with a chain that was not so signed": message(change(sample(t, key), func(b *trust.Bundle) { b.Issuers[0].Keys[0].Chain[0] = newAuthority(t, "X", "JM").cert }), key),
	} {
		t.Run(name, func(t *testing.T) {
			if err == nil {
				t.Error("was accepted")
			}
		})
	}
	for name, text := range map[string]string{
		"a value changed":        strings.Replace(good, "Ministry", "Minister", 1),
		"a signature changed":    strings.Replace(good, `"signature":"`, `"signature":"AAAA`, 1),
		"a member added":         strings.Replace(good, `"version"`, `"more":1,"version"`, 1),
		"a member twice":         strings.Replace(good, `"version":7`, `"version":7,"version":7`, 1),
		"a member in capitals":   strings.Replace(good, `"version"`, `"VERSION"`, 1),
		"a time in another form": strings.Replace(good, `"issued":"2026-01-11T00:00:00Z"`, `"issued":"2026-01-11T00:00:00+00:00"`, 1),
		"an empty member":        strings.Replace(good, `"country"`, `"specimen":false,"country"`, 1),
		"another format":         strings.Replace(good, "divoc-trust/1", "divoc-trust/2", 1),
		"something appended":     good + "{}",
		"cut off":                good[:len(good)-1],
		"too deep":               `{"format":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}",
		"not UTF-8":              strings.Replace(good, "Ministry", "\xff", 1),
		"too large":              strings.Repeat(" ", trust.MaxSize+1),
		"no issuers":             `{"format":"divoc-trust/1","issued":"2026-01-11T00:00:00Z","issuers":[],"version":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := trust.Parse([]byte(text)); vaccination.ErrorCode(err) != vaccination.Invalid {
				t.Errorf("error = %v", err)
			}
		})
	}
	t.Run("but not for white space around it", func(t *testing.T) {
		if _, err := trust.Parse([]byte("\xef\xbb\xbf" + strings.ReplaceAll(good, `,"`, ",\n \"") + "\n")); err != nil {
			t.Error(err)
		}
	})
}

func change(b *trust.Bundle, f func(*trust.Bundle)) *trust.Bundle {
	f(b)
	return b
}

func TestStatus(t *testing.T) {
	key := newDocumentKey(t)
	l := trust.New(sample(t, key))
	for hcid, want := range map[string]vaccination.Status{
		"s1": vaccination.StatusSuperseded, "s3#Z": vaccination.StatusSuperseded, "p1": vaccination.StatusSuspended,
		"r1": vaccination.StatusRevoked, "r2#": vaccination.StatusRevoked, "s4": vaccination.StatusValid, "": vaccination.StatusValid,
	} {
		if got, asOf := l.Status(did, hcid); got != want || !asOf.Equal(day(10)) {
			t.Errorf("%q is %s as of %v, want %s", hcid, got, asOf, want)
		}
	}
	for _, id := range []string{"", "did:web:other", did + ":x"} {
		if got, asOf := l.Status(id, "r1"); got != trust.NotPublished || !asOf.IsZero() {
			t.Errorf("of issuer %q: %s as of %v", id, got, asOf)
		}
	}
	t.Run("the latest of several snapshots counts", func(t *testing.T) {
		newer := sample(t, key)
		newer.Status[0].AsOf, newer.Status[0].Revoked = day(12), trust.NewHashes([]trust.Hash{trust.HashOf("s4")})
		for _, l := range []*trust.List{trust.New(sample(t, key), newer), trust.New(newer, sample(t, key))} {
			if got, asOf := l.Status(did, "s4"); got != vaccination.StatusRevoked || !asOf.Equal(day(12)) {
				t.Errorf("%s as of %v", got, asOf)
			}
		}
	})
	t.Run("nobody trusted, nothing published", func(t *testing.T) {
		var l *trust.List
		if got, _ := l.Status(did, "r1"); got != trust.NotPublished || l.Len() != 0 || l.ByKeyID(nil) != nil || l.ByMethod("") != nil || !l.Issued().IsZero() {
			t.Errorf("got %s", got)
		}
	})
}

// TestABundlesDigestIsOfWhatItSays changes one thing after the other.
func TestABundlesDigestIsOfWhatItSays(t *testing.T) {
	key := newDocumentKey(t)
	base := sample(t, key)
	of := func(f func(*trust.Bundle)) [32]byte {
		t.Helper()
		b := *base
		b.Issuers, b.Status = slices.Clone(base.Issuers), slices.Clone(base.Status)
		b.Issuers[0].Keys = slices.Clone(base.Issuers[0].Keys)
		f(&b)
		d, err := b.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	was := of(func(*trust.Bundle) {})
	for name, f := range map[string]func(*trust.Bundle){
		"version": func(b *trust.Bundle) { b.Version++ },
		"times": func(b *trust.Bundle) {
			b.Issued, b.Status[0].AsOf, b.Status[0].NextUpdate = day(30), day(30), day(31)
		},
		"proofs": func(b *trust.Bundle) { b.Proofs = []trust.Proof{{Key: "x"}} },
	} {
		if of(f) != was {
			t.Errorf("it changes with the %s", name)
		}
	}
	one := trust.NewHashes([]trust.Hash{{1}})
	for name, f := range map[string]func(*trust.Bundle){
		"revoked":     func(b *trust.Bundle) { b.Status[0].Revoked = one },
		"superseded":  func(b *trust.Bundle) { b.Status[0].Superseded = one },
		"suspended":   func(b *trust.Bundle) { b.Status[0].Suspended = one },
		"moved":       func(b *trust.Bundle) { s := &b.Status[0]; s.Revoked, s.Suspended = s.Suspended, s.Revoked },
		"issuer":      func(b *trust.Bundle) { b.Issuers[0].Name += "x" },
		"retired key": func(b *trust.Bundle) { b.Issuers[0].Keys[0].Retired = day(3) },
		"no states":   func(b *trust.Bundle) { b.Status = nil },
	} {
		if of(f) == was {
			t.Errorf("it stays the same with another %s", name)
		}
	}
}

func TestSignRefusesWhatNobodyReads(t *testing.T) {
	key := newDocumentKey(t)
	b := sample(t, key)
	set := make(trust.Hashes, trust.MaxSize/4*3/trust.HashSize*trust.HashSize)
	for i := range set.Len() {
		binary.BigEndian.PutUint32(set[i*trust.HashSize:], uint32(i))
	}
	b.Status[0].Revoked = set
	if _, err := b.Sign(key); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("signed what is too large to be read: %v", err)
	}
}

func TestReplaces(t *testing.T) {
	key, next, stranger := newDocumentKey(t), newDocumentKey(t), newDocumentKey(t)
	base := sample(t, key)
	signed(t, base, key)
	make := func(f func(*trust.Bundle), signers ...trust.Signer) *trust.Bundle {
		b := *base
		b.Version, b.Issued = 8, day(11)
		b.Issuers = []trust.Issuer{base.Issuers[0]}
		b.Issuers[0].Keys = append([]trust.Key{}, base.Issuers[0].Keys...)
		b.Status = append([]trust.Snapshot{}, base.Status...)
		b.Status[0].AsOf, b.Status[0].NextUpdate = day(11), day(12)
		f(&b)
		signed(t, &b, signers...)
		return &b
	}
	rotate := func(b *trust.Bundle) {
		b.Issuers[0].Keys[1].Retired = day(11)
		b.Issuers[0].Keys = append(b.Issuers[0].Keys, next.key())
	}
	none := func(*trust.Bundle) {}
	for name, b := range map[string]*trust.Bundle{
		"nothing changed but the version":    make(none, key),
		"a suspension lifted":                make(func(b *trust.Bundle) { b.Status[0].Suspended = nil }, key),
		"a revocation added":                 make(func(b *trust.Bundle) { b.Status[0].Revoked = plus(b.Status[0].Revoked, "r9") }, key),
		"rotated, signed by new and old key": make(rotate, next, key),
		"a specimen's flag":                  make(func(b *trust.Bundle) { b.Issuers[0].Specimen = true }, key),
	} {
		t.Run("accepts "+name, func(t *testing.T) {
			if err := b.Replaces(base); err != nil {
				t.Error(err)
			}
		})
	}
	forged := make(func(b *trust.Bundle) {
		b.Issuers[0].Keys = append(b.Issuers[0].Keys, stranger.key())
	}, stranger)
	takenOver := make(func(b *trust.Bundle) {
		b.Issuers[0].ID, b.Status = "did:web:x", nil
	}, key)
	stripped := make(none, key)
	stripped.Proofs = nil
	edited := make(none, key)
	edited.Issuers[0].Name = "Somebody else"
	for name, c := range map[string]struct {
		b    *trust.Bundle
		want string
	}{
		"nothing":                      {nil, "empty"},
		"no keys":                      {&trust.Bundle{Version: 9, Issued: day(12)}, "empty"},
		"itself":                       {base, "not newer"},
		"an older version":             {make(func(b *trust.Bundle) { b.Version = 6 }, key), "not newer"},
		"a newer version, made before": {make(func(b *trust.Bundle) { b.Issued, b.Status = day(9), nil }, key), "before"},
		"a stranger's signature":       {forged, "not signed"},
		"another publisher's":          {takenOver, "another publisher"},
		"no signature":                 {stripped, "not signed"},
		"an edited list":               {edited, "not signed"},
		"a new key alone":              {make(rotate, next), "not signed"},
		"half the keys gone":           {make(func(b *trust.Bundle) { b.Issuers[0].Keys = b.Issuers[0].Keys[1:2] }, key), "quarter"},
		"the states gone":              {make(func(b *trust.Bundle) { b.Status = nil }, key), "no longer says"},
		"older states":                 {make(func(b *trust.Bundle) { b.Status[0].AsOf = day(9) }, key), "older states"},
		"a revocation taken back":      {make(func(b *trust.Bundle) { b.Status[0].Revoked = b.Status[0].Revoked[16:] }, key), "valid again"},
		"a supersession taken back":    {make(func(b *trust.Bundle) { b.Status[0].Superseded = b.Status[0].Superseded[:32] }, key), "valid again"},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			if err := c.b.Replaces(base); vaccination.ErrorCode(err) != vaccination.Conflict || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want one with %q", err, c.want)
			}
		})
	}
	if err := base.Replaces(nil); err == nil {
		t.Error("a first list was accepted without anybody's decision")
	}
	retired := newDocumentKey(t)
	old := *base
	old.Issuers = []trust.Issuer{base.Issuers[0]}
	before := retired.key()
	before.Retired = day(3)
	old.Issuers[0].Keys = append(append([]trust.Key{}, base.Issuers[0].Keys...), before)
	by := make(func(b *trust.Bundle) { rotate(b); b.Issuers[0].Keys = append(b.Issuers[0].Keys, before) }, next, retired)
	if err := by.Replaces(&old); err == nil {
		t.Error("a key that the list in use calls retired vouched for a new one")
	}
	late := make(func(b *trust.Bundle) { b.Issued = day(5000) }, key)
	late.Issuers[0].Keys = late.Issuers[0].Keys[1:] // the certificate's time is over
	signed(t, late, key)
	if err := late.Replaces(base); err != nil {
		t.Errorf("a key whose time is over was missed: %v", err)
	}
}

func plus(s trust.Hashes, hcid string) trust.Hashes {
	hs := []trust.Hash{trust.HashOf(hcid)}
	for i := range s.Len() {
		hs = append(hs, trust.Hash(s[i*trust.HashSize:(i+1)*trust.HashSize]))
	}
	return trust.NewHashes(hs)
}

func FuzzParse(f *testing.F) {
	key := newDocumentKey(f)
	sca := newAuthority(f, "SPECIMEN Ministry", "JM")
	f.Add(signed(f, sample(f, key), key))
	f.Add(certPEM(sca.signer(f), sca.cert))
	f.Add(keyPEM(f, key.public()))
	f.Add([]byte(trust.Multikey(key.public())))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + base64.RawURLEncoding.EncodeToString(key.public()) + `"}]}`))
	doc, err := sample(f, key).Issuers[0].DIDDocument()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := trust.Parse(data)
		if err != nil {
			return
		}
		trust.New(b).ByKeyID([]byte("12345678"))
		var is struct{ Format string }
		if json.Unmarshal(data, &is) != nil || is.Format == "" {
			return
		}
		again, err := b.Sign()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		second, err := trust.Parse(again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		b.Proofs = nil
		if diff := cmp.Diff(b, second); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkStatus(b *testing.B) {
	hs := make([]trust.Hash, 1_000_000)
	for i := range hs {
		hs[i] = trust.HashOf(fmt.Sprint(i))
	}
	l := trust.New(&trust.Bundle{Issuers: []trust.Issuer{{ID: did}}, Status: []trust.Snapshot{{Issuer: did, Revoked: trust.NewHashes(hs)}}})
	for b.Loop() {
		if s, _ := l.Status(did, "77"); s != vaccination.StatusRevoked {
			b.Fatal(s)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	key := newDocumentKey(b)
	bundle := sample(b, key)
	hs := make([]trust.Hash, 100_000)
	for i := range hs {
		hs[i] = trust.HashOf(fmt.Sprint(i))
	}
	bundle.Status[0].Superseded = trust.NewHashes(hs)
	data := signed(b, bundle, key)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := trust.Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
