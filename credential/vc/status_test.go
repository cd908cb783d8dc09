package vc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"pgregory.net/rapid"
)

func listInfo() ListInfo {
	return ListInfo{URL: "https://certificates.moh.gov.jm/status/revocation/0", Purpose: "revocation", Issuer: "did:web:certificates.moh.gov.jm", ValidUntil: created.Add(24 * time.Hour)}
}

func TestStatusListReadsBackTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l StatusList
		on := map[uint32]bool{}
		for _, i := range rapid.SliceOfN(rapid.Uint32Range(0, ListSize-1), 0, 50).Draw(t, "revoked") {
			l.Set(i, true)
			on[i] = true
		}
		for _, i := range rapid.SliceOfN(rapid.Uint32Range(0, ListSize-1), 0, 5).Draw(t, "cleared") {
			l.Set(i, false)
			delete(on, i)
		}
		data, err := IssueStatusList(listInfo(), &l, signer(1), created)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseStatusList(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Verify(signer(1).public()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(listInfo(), c.ListInfo); diff != "" || !c.IssuedAt.Equal(created) || c.VerificationMethod() != signer(1).ID() {
			t.Fatal(diff)
		}
		n := 0
		for i := range uint32(ListSize) {
			set, err := c.Lookup(StatusEntry{c.Purpose, c.URL, i})
			if err != nil || set != on[i] || l.Get(i) != set {
				t.Fatalf("entry %d: %v %v, want %v", i, set, err, on[i])
			}
			if set {
				n++
			}
		}
		if n != len(on) {
			t.Fatal(n)
		}
	})
}

// Bitstring Status List 1.0, section 4.1: the first entry is the left-most bit.
func TestFirstEntryIsTheMostSignificantBit(t *testing.T) {
	var l StatusList
	l.Set(0, true)
	l.Set(9, true)
	if l[0] != 0x80 || l[1] != 0x40 {
		t.Errorf("%08b %08b", l[0], l[1])
	}
}

func TestLookupRefuses(t *testing.T) {
	data, err := IssueStatusList(listInfo(), &StatusList{}, signer(1), created)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseStatusList(data)
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]struct {
		entry StatusEntry
		want  error
	}{
		"list id swap: another list":  {StatusEntry{"revocation", "https://certificates.moh.gov.jm/status/revocation/1", 1}, ErrListOther},
		"an entry of another purpose": {StatusEntry{"suspension", listInfo().URL, 1}, ErrListOther},
		"index out of range: beyond":  {StatusEntry{"revocation", listInfo().URL, ListSize}, ErrListRange},
		"index out of range: most":    {StatusEntry{"revocation", listInfo().URL, 1<<32 - 1}, ErrListRange},
	} {
		t.Run(name, func(t *testing.T) {
			if set, err := c.Lookup(e.entry); set || !errors.Is(err, e.want) {
				t.Errorf("%v, %v, want %v", set, err, e.want)
			}
		})
	}
	if err := c.Verify(signer(2).public()); !errors.Is(err, ErrSignature) {
		t.Errorf("wrong list signer: %v", err)
	}
}

func TestParseStatusListRefuses(t *testing.T) {
	var l StatusList
	data, err := IssueStatusList(listInfo(), &l, signer(1), created)
	if err != nil {
		t.Fatal(err)
	}
	good, err := encodeList(l[:])
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(bits []byte) string {
		s, err := encodeList(bits)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, c := range map[string]struct {
		old, new string
		want     error
	}{
		"fewer entries than allowed":   {good, encoded(l[1:]), ErrListLength},
		"bomb: it inflates for ever":   {good, encoded(make([]byte, maxListLength+1)), ErrTooLarge},
		"another multibase":            {`"u`, `"z`, ErrMalformed},
		"no gzip":                      {good, "uAAAA", ErrMalformed},
		"a gzip cut short":             {good, good[:len(good)-8], ErrMalformed},
		"another type":                 {`"BitstringStatusListCredential"`, `"StatusList2021Credential"`, ErrType},
		"another subject type":         {`"type":"BitstringStatusList"`, `"type":"StatusList2021"`, ErrMalformed},
		"another subject id":           {`#list"`, `#other"`, ErrMalformed},
		"entries of two bits":          {`"statusPurpose":`, `"statusSize":2,"statusPurpose":`, ErrMalformed},
		"another context in the proof": {`"proof":{"@context":["` + ContextV2, `"proof":{"@context":["https://example.org`, ErrProof},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(string(data), c.old, c.new, 1)
			if bad == string(data) {
				t.Fatal("the test changes nothing")
			}
			if _, err := ParseStatusList([]byte(bad)); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func FuzzDecodeList(f *testing.F) {
	var l StatusList
	l.Set(7, true)
	good, err := encodeList(l[:])
	if err != nil {
		f.Fatal(err)
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(make([]byte, 16<<20)); err != nil {
		f.Fatal(err)
	}
	if err := z.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("u" + base64.RawURLEncoding.EncodeToString(bomb.Bytes()))
	f.Fuzz(func(t *testing.T, text string) {
		bits, err := decodeList(text)
		if err != nil {
			return
		}
		if len(bits)*8 < ListSize || len(bits) > maxListLength {
			t.Fatal(len(bits))
		}
		again, err := encodeList(bits)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeList(again); err != nil || !bytes.Equal(back, bits) {
			t.Fatal("not the same", err)
		}
	})
}
