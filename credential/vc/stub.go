package vc

import (
	"crypto/ed25519"
	"github.com/opendivoc/divoc/vaccination"
	"time"
)

// Credential is a credential as read.
type Credential struct{}

// Issue returns the exact JCS text, proof included.
func Issue(c vaccination.Certificate, status []StatusEntry, s Signer, created time.Time) ([]byte, error) {
	panic("")
}

// Parse reads a credential of ours.
func Parse(data []byte) (*Credential, error) { panic("") }

// VerificationMethod returns the DID URL of the key.
func (c *Credential) VerificationMethod() string { panic("") }

// Verify checks the proof.
func (c *Credential) Verify(pub ed25519.PublicKey) error { panic("") }

// Certificate returns the content.
func (c *Credential) Certificate() vaccination.Certificate { panic("") }

// Status returns the status entries.
func (c *Credential) Status() []StatusEntry { panic("") }

// EncodeKey returns the multikey text (z6Mk…).
func EncodeKey(pub ed25519.PublicKey) string { panic("") }

// DecodeKey reads a multikey.
func DecodeKey(text string) (ed25519.PublicKey, error) { panic("") }

// ListSize is the number of entries in a status list.
const ListSize = 131072

// StatusList is a bitmap of ListSize entries, most significant bit first.
type StatusList [ListSize / 8]byte

// Set sets or clears the bit at index, which is below ListSize.
func (l *StatusList) Set(index uint32, on bool) { panic("") }

// Get reports the bit at index.
func (l *StatusList) Get(index uint32) bool { panic("") }

// IssueStatusList returns the signed status list credential.
func IssueStatusList(o ListInfo, l *StatusList, s Signer, created time.Time) ([]byte, error) {
	panic("")
}

// ListInfo says what a status list is.
type ListInfo struct {
	URL, Purpose string
	Issuer       vaccination.Issuer
	ValidUntil   time.Time
}

// StatusListCredential is a signed list as read.
type StatusListCredential struct {
	ListInfo
	IssuedAt time.Time
	List     StatusList
}

// ParseStatusList reads a status list credential.
func ParseStatusList(data []byte) (*StatusListCredential, error) { panic("") }

// VerificationMethod returns the DID URL of the key.
func (c *StatusListCredential) VerificationMethod() string { panic("") }

// Verify checks the proof.
func (c *StatusListCredential) Verify(pub ed25519.PublicKey) error { panic("") }

// Lookup returns whether the bit of e is set.
func (c *StatusListCredential) Lookup(e StatusEntry) (bool, error) { panic("") }
