package keyring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Identity is who signs.
type Identity struct {
	DID     string // trust.DIDWeb of the public URL
	Country string // ISO 3166-1 alpha-2
	Name    string // the authority: O of its certificates, and the name verifiers show
}

// Options are what [Open] needs.
type Options struct {
	Dir      string // the folder of the keyring file
	Box      *seal.Box
	Identity Identity
	// Demo: the keys are a demonstration's; their subjects begin with SPECIMEN.
	Demo bool
	// Create makes the first keys where there are none. It is only for a data
	// folder and a database that hold nothing yet: keys that were lost must never
	// be replaced in silence.
	Create bool
	Now    func() time.Time
	Random io.Reader // of cryptographic quality
	// DIVOC is the kind of key that signs DIVOC's format, "" where the profile
	// does not ask for the format. [Ring.EnsureDIVOC] makes the key.
	DIVOC DIVOCAlgorithm
}

// Ring is the keys of one data folder. It is safe for concurrent use, also by
// several processes.
type Ring struct {
	o     Options
	store store

	mu      sync.Mutex
	loaded  *contents
	qr      *QRKey // the current keys of loaded
	doc     *DocumentKey
	divoc   *DIVOCKey   // nil where the profile never asked for one
	seal    *SealKey    // nil where none was imported
	info    fs.FileInfo // of the file that loaded came from
	checked time.Time   // when the file was last looked at
	err     error       // why a newer file could not be loaded
}

// Open opens the ring in o.Dir. Missing keys (unless o.Create), damaged keys
// and, outside a demonstration, published test keys are errors. So is a ring of
// a demonstration without o.Demo, and one of production with it
// ([vaccination.Forbidden]): the keys of one never sign for the other.
func Open(ctx context.Context, o Options) (*Ring, error) {
	if o.Box == nil || o.Now == nil || o.Random == nil || o.Identity.DID == "" || o.Identity.Country == "" || o.Identity.Name == "" {
		return nil, errors.New("keyring: a box, an identity, a clock and a random source are needed")
	}
	r := &Ring{o: o, store: store{o.Dir, o.Box}}
	if o.Create {
		if err := r.create(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.Reload(); err != nil {
		return nil, err
	}
	return r, nil
}

// create makes the first keys, unless there are some.
func (r *Ring) create(ctx context.Context) error {
	if err := os.MkdirAll(r.o.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of the signing keys: %w", err)
	}
	unlock, err := r.store.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Lstat(r.store.path()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c := &contents{demo: r.o.Demo}
	if err := r.newSigner(c); err != nil {
		return err
	}
	if err := r.newDocument(c); err != nil {
		return err
	}
	return r.store.write(c)
}

// Reload reads the file anew. What cannot be read or used is an error, and the
// keys read before stay in use.
func (r *Ring) Reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reload()
}

func (r *Ring) reload() error {
	c, info, err := r.store.read()
	if errors.Is(err, fs.ErrNotExist) {
		err = vaccination.Errorf(vaccination.Invalid, "the signing keys %s are missing, without which nothing that was issued can be verified: put them back from a backup", r.store.path())
	}
	if err == nil {
		err = r.usable(c)
	}
	r.checked, r.err = r.o.Now(), err
	if err == nil {
		r.loaded, r.info = c, info
		r.qr = r.qrKey(c.current(KindQR))
		r.doc = r.documentKey(c.current(KindDocument))
		r.divoc = r.divocKey(c.current(KindDIVOC))
		r.seal = r.sealKey(c.current(KindSeal))
	}
	return err
}

// usable says why c may not sign for us.
func (r *Ring) usable(c *contents) error {
	switch {
	case c.demo && !r.o.Demo:
		return vaccination.Errorf(vaccination.Forbidden, "these signing keys are a demonstration's: they never sign real certificates; start with --demo, or with another data folder")
	case !c.demo && r.o.Demo:
		return vaccination.Errorf(vaccination.Forbidden, "these signing keys are not a demonstration's: start without --demo, or with another data folder")
	case c.current(KindQR) == nil || c.current(KindDocument) == nil:
		return vaccination.Errorf(vaccination.Invalid, "the keyring has no current signing key")
	}
	if c.demo {
		return nil
	}
	for _, k := range c.keys {
		if err := refusePublished(k); err != nil {
			return err
		}
	}
	return nil
}

// refusePublished refuses a key that anybody can sign with, or that stands under
// such a key.
func refusePublished(k *key) error {
	where, ok := trust.Published(k.public)
	for _, cert := range k.certs {
		if !ok {
			where, ok = trust.Published(cert.PublicKey)
		}
	}
	if ok {
		return vaccination.Errorf(vaccination.Forbidden, "this is a published test key, with which anybody can sign: %s", where)
	}
	return nil
}

// QR returns the current key of codes.
func (r *Ring) QR() *QRKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	return r.qr
}

// Document returns the current key of documents.
func (r *Ring) Document() *DocumentKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	return r.doc
}

// state returns all keys.
func (r *Ring) state() *contents {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	return r.loaded
}

// refresh reads the file anew when it changed; it looks at most once a second.
func (r *Ring) refresh() {
	if d := r.o.Now().Sub(r.checked); d < 0 || d >= time.Second {
		r.checked = r.o.Now()
		info, err := os.Stat(r.store.path())
		if err != nil || !os.SameFile(info, r.info) || !info.ModTime().Equal(r.info.ModTime()) || info.Size() != r.info.Size() {
			_ = r.reload() // kept in r.err, which Check tells
		}
	}
}

// update changes the file by f, one writer at a time in all processes. When f
// fails nothing changes.
func (r *Ring) update(ctx context.Context, f func(*contents) error) error {
	unlock, err := r.store.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	c, _, err := r.store.read()
	if err != nil {
		return err
	}
	if err := r.usable(c); err != nil {
		return err
	}
	if err := f(c); err != nil {
		return err
	}
	if err := r.usable(c); err != nil {
		return err
	}
	if err := r.store.write(c); err != nil {
		return err
	}
	return r.Reload()
}

// Demo reports whether the keys are a demonstration's.
func (r *Ring) Demo() bool { return r.state().demo }

// Check is the health probe of signing: it signs a probe with each current key
// and verifies it, and tells when the key file could not be read since.
func (r *Ring) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.probe(); err != nil {
		return fmt.Errorf("signing keys: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
