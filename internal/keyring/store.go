package keyring

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// File is the name of the ring in its folder.
const File = "keyring.sealed"

const (
	lockFile   = "keyring.lock"
	fileFormat = "divoc-keyring/1"
)

// Kind is what a key is for.
type Kind string

// The kinds of key.
const (
	KindAuthority Kind = "authority" // SCA: signs signer certificates
	KindQR        Kind = "qr"        // P-256, signs codes
	KindDocument  Kind = "document"  // Ed25519, signs documents and trust bundles
	KindDIVOC     Kind = "divoc"     // RSA-2048 or Ed25519, signs DIVOC's format where the profile asks
	KindSeal      Kind = "seal"      // P-256 or P-384, signs ICAO's seals under a passport authority
)

// State is what a key may still do.
type State string

// The states of a key.
const (
	StatePending State = "pending" // waits for its certificate
	StateCurrent State = "current" // signs
	StateRetired State = "retired" // verifies only
)

// key is one key of the ring. private is nil once it was destroyed.
type key struct {
	kind    Kind
	state   State
	private crypto.Signer
	public  crypto.PublicKey
	certs   []*x509.Certificate // its own, then what stands above it
	created time.Time
	retired time.Time
}

// contents is what the file holds.
type contents struct {
	demo bool
	keys []*key
}

type contentsJSON struct {
	Format string    `json:"format"`
	Demo   bool      `json:"demo"`
	Keys   []keyJSON `json:"keys"`
}

type keyJSON struct {
	Kind    Kind      `json:"kind"`
	State   State     `json:"state"`
	Private []byte    `json:"private,omitempty"` // PKCS #8
	Public  []byte    `json:"public"`            // SubjectPublicKeyInfo
	Certs   [][]byte  `json:"certs,omitempty"`   // DER
	Created time.Time `json:"created"`
	Retired time.Time `json:"retired,omitzero"`
}

// id names a key to people: what verifiers see of it, as far as there is such.
func (k *key) id() string {
	switch {
	case k.kind == KindDocument:
		return trust.Multikey(k.public)
	case (k.kind == KindQR || k.kind == KindSeal) && len(k.certs) > 0:
		return hex.EncodeToString(trust.CertificateKeyID(k.certs[0]))
	default:
		return trust.Fingerprint(k.public)[:16]
	}
}

// retire ends k's signing. A rotation takes effect within a second in a server
// that runs, and what is being signed meanwhile must stay valid, so the moment
// noted is a little later.
func (k *key) retire(now time.Time) {
	k.state, k.retired, k.private = StateRetired, now.UTC().Truncate(time.Second).Add(time.Minute), nil
}

// current returns the key of that kind that signs, nil when there is none.
func (c *contents) current(kind Kind) *key {
	for _, k := range c.keys {
		if k.kind == kind && k.state == StateCurrent {
			return k
		}
	}
	return nil
}

func (c *contents) encode() ([]byte, error) {
	out := contentsJSON{Format: fileFormat, Demo: c.demo}
	for _, k := range c.keys {
		j := keyJSON{Kind: k.kind, State: k.state, Created: k.created, Retired: k.retired}
		var err error
		if j.Public, err = x509.MarshalPKIXPublicKey(k.public); err != nil {
			return nil, fmt.Errorf("encode a public key: %w", err)
		}
		if k.private != nil {
			if j.Private, err = x509.MarshalPKCS8PrivateKey(k.private); err != nil {
				return nil, errors.New("encode a private key")
			}
		}
		for _, cert := range k.certs {
			j.Certs = append(j.Certs, cert.Raw)
		}
		out.Keys = append(out.Keys, j)
	}
	return json.Marshal(out)
}

func decode(data []byte) (*contents, error) {
	var in contentsJSON
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil || in.Format != fileFormat {
		return nil, fmt.Errorf("not of format %s", fileFormat)
	}
	c := &contents{demo: in.Demo}
	for _, j := range in.Keys {
		k := &key{kind: j.Kind, state: j.State, created: j.Created, retired: j.Retired}
		var err error
		if k.public, err = x509.ParsePKIXPublicKey(j.Public); err != nil {
			return nil, fmt.Errorf("a public key: %w", err)
		}
		if len(j.Private) > 0 {
			private, err := x509.ParsePKCS8PrivateKey(j.Private)
			signer, ok := private.(crypto.Signer)
			if err != nil || !ok || trust.Fingerprint(signer.Public()) != trust.Fingerprint(k.public) {
				return nil, errors.New("a private key is not that of its public key")
			}
			k.private = signer
		}
		for _, der := range j.Certs {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, fmt.Errorf("a certificate: %w", err)
			}
			k.certs = append(k.certs, cert)
		}
		if k.state == StateCurrent && k.private == nil {
			return nil, errors.New("a current key has no private half")
		}
		c.keys = append(c.keys, k)
	}
	return c, nil
}

// store reads and writes the file.
type store struct {
	dir string
	box *seal.Box
}

func (s store) path() string { return filepath.Join(s.dir, File) }

// read returns the contents and what os.Stat said of the very file read. A
// missing file is fs.ErrNotExist.
func (s store) read() (*contents, fs.FileInfo, error) {
	f, err := os.Open(s.path())
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(f); err != nil {
		return nil, nil, fmt.Errorf("read the signing keys: %w", err)
	}
	plain, err := s.box.Unseal(buf.Bytes(), []byte(fileFormat))
	if err != nil {
		return nil, nil, vaccination.Errorf(vaccination.Invalid, "the signing keys in %s do not open: the file is damaged, or of another installation; put it back from a backup", s.path())
	}
	c, err := decode(plain)
	if err != nil {
		return nil, nil, vaccination.Errorf(vaccination.Invalid, "the signing keys in %s are not readable: %v", s.path(), err)
	}
	return c, info, nil
}

func (s store) write(c *contents) error {
	plain, err := c.encode()
	if err != nil {
		return err
	}
	sealed, err := s.box.Seal(plain, []byte(fileFormat))
	if err != nil {
		return fmt.Errorf("seal the signing keys: %w", err)
	}
	if err := seal.WriteFile(s.path(), sealed); err != nil {
		return fmt.Errorf("write the signing keys: %w", err)
	}
	return nil
}

// lock waits for the right to change the file; the right ends with unlock, or
// with the process.
func (s store) lock(ctx context.Context) (unlock func(), err error) {
	return seal.Lock(ctx, filepath.Join(s.dir, lockFile), false)
}
