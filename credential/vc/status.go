package vc

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/opendivoc/divoc/credential/deflate"
	"github.com/opendivoc/divoc/credential/jcs"
)

const (
	entryType     = "BitstringStatusListEntry"
	listType      = "BitstringStatusList"
	listContexts  = `["` + ContextV2 + `"]`
	maxListText   = 2 << 20
	maxListLength = 1 << 20 // bytes, uncompressed
)

// Errors of [StatusListCredential.Lookup], with the name that Bitstring Status
// List 1.0, section 3.2 and 3.5 give them.
var (
	ErrListLength = errors.New("STATUS_LIST_LENGTH_ERROR: the status list has fewer than 131072 entries")
	ErrListRange  = errors.New("RANGE_ERROR: the entry lies outside the status list")
	ErrListOther  = errors.New("STATUS_VERIFICATION_ERROR: the status list is not the one the entry names")
)

// ListSize is the number of entries in a status list of ours, the least that
// Bitstring Status List 1.0 allows: one certificate hides among so many.
const ListSize = 131072

// StatusList is a bitmap of ListSize entries. Entry 0 is the most significant
// bit of the first byte (section 4.1).
type StatusList [ListSize / 8]byte

// Set sets or clears the bit at index, which is below ListSize.
func (l *StatusList) Set(index uint32, on bool) {
	if mask := byte(0x80 >> (index % 8)); on {
		l[index/8] |= mask
	} else {
		l[index/8] &^= mask
	}
}

// Get reports the bit at index, which is below ListSize.
func (l *StatusList) Get(index uint32) bool { return bit(l[:], index) }

func bit(list []byte, index uint32) bool { return list[index/8]&(0x80>>(index%8)) != 0 }

// ListInfo says what a status list is about.
type ListInfo struct {
	URL        string // where it is published; the List of its entries
	Purpose    string // "revocation" or "suspension"
	Issuer     string // DID of the issuer
	ValidUntil time.Time
}

// IssueStatusList returns the signed credential of a status list as of created
// (Bitstring Status List 1.0, section 2.2).
func IssueStatusList(info ListInfo, l *StatusList, s Signer, created time.Time) ([]byte, error) {
	encoded, err := encodeList(l[:])
	if err != nil {
		return nil, err
	}
	w := &writer{b: make([]byte, 0, len(encoded)+1024)}
	w.b = append(w.b, `{"@context":`+listContexts...)
	w.object("credentialSubject", func() {
		w.text("encodedList", encoded)
		w.text("id", info.URL+"#list")
		w.text("statusPurpose", info.Purpose)
		w.text("type", listType)
	})
	w.text("id", info.URL)
	w.text("issuer", info.Issuer)
	w.b = append(w.b, ',')
	tail := &writer{b: []byte("[")}
	tail.name("type")
	tail.b = append(tail.b, `["VerifiableCredential","`+listType+`Credential"]`...)
	tail.time("validFrom", created)
	tail.time("validUntil", info.ValidUntil)
	tail.b = append(tail.b, '}')
	if w.bad != "" {
		return nil, fmt.Errorf("the status list's %s cannot be written", w.bad)
	}
	return secure(w.b, tail.b[1:], listContexts, s, created)
}

// encodeList returns bits as multibase base64url of their gzip (section 4.1).
func encodeList(bits []byte) (string, error) {
	var b bytes.Buffer
	z := deflate.NewGzip(&b)
	if _, err := z.Write(bits); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return "u" + base64.RawURLEncoding.EncodeToString(b.Bytes()), nil
}

// decodeList undoes encodeList, bounded, and refuses lists that are too short to
// hide anybody.
func decodeList(text string) ([]byte, error) {
	text, ok := strings.CutPrefix(text, "u")
	packed, err := base64.RawURLEncoding.DecodeString(text)
	if !ok || err != nil {
		return nil, fmt.Errorf("%w: encodedList", ErrMalformed)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("%w: encodedList", ErrMalformed)
	}
	bits, err := io.ReadAll(io.LimitReader(z, maxListLength+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: encodedList", ErrMalformed)
	case len(bits) > maxListLength:
		return nil, ErrTooLarge
	case len(bits)*8 < ListSize:
		return nil, ErrListLength
	}
	return bits, nil
}

// StatusListCredential is a signed status list as read. Nothing in it is to be
// believed before Verify has succeeded.
type StatusListCredential struct {
	ListInfo
	IssuedAt time.Time // validFrom

	document jcs.Value
	method   string
	bits     []byte
}

// ParseStatusList reads a status list credential of the form that
// [IssueStatusList] gives, of any length from [ListSize] to 8 million entries.
// The proof is NOT verified. Errors are those of [Parse] and [ErrListLength].
func ParseStatusList(data []byte) (*StatusListCredential, error) {
	document, err := parseJSON(data, maxListText)
	if err != nil {
		return nil, err
	}
	r := &object{value: document}
	if !r.texts("@context", ContextV2) || !r.texts("type", "VerifiableCredential", listType+"Credential") {
		return nil, ErrType
	}
	c := &StatusListCredential{document: document}
	c.method, _ = r.proof()
	if c.method == "" {
		return nil, ErrProof
	}
	s := r.object("credentialSubject")
	c.ListInfo = ListInfo{URL: r.text("id"), Purpose: s.text("statusPurpose"), Issuer: r.text("issuer"), ValidUntil: r.time("validUntil")}
	c.IssuedAt = r.time("validFrom")
	encoded := s.text("encodedList")
	if s.text("type") != listType || s.text("id") != c.URL+"#list" {
		r.fail("credentialSubject")
	}
	if bad := r.done(); bad != "" {
		return nil, fmt.Errorf("%w: %s", ErrMalformed, bad)
	}
	c.bits, err = decodeList(encoded)
	return c, err
}

// VerificationMethod returns the DID URL of the key that signed.
func (c *StatusListCredential) VerificationMethod() string { return c.method }

// Verify checks the proof with pub, as [Credential.Verify] does.
func (c *StatusListCredential) Verify(pub crypto.PublicKey) error {
	return verifyOne(c.document, pub)
}

// Lookup reports whether the bit of e is set. The list must be the one that e
// names and of its purpose ([ErrListOther]) and long enough ([ErrListRange]).
func (c *StatusListCredential) Lookup(e StatusEntry) (bool, error) {
	if e.List != c.URL || e.Purpose != c.Purpose {
		return false, ErrListOther
	}
	if uint64(e.Index) >= uint64(len(c.bits))*8 {
		return false, ErrListRange
	}
	return bit(c.bits, e.Index), nil
}
