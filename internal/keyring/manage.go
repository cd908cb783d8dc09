package keyring

import (
	"context"
	"strings"
	"time"

	"github.com/opendivoc/divoc/vaccination"
)

// Info describes one key, without its private half.
type Info struct {
	ID       string // hexadecimal kid of a code's key, Multikey of a document's
	Kind     Kind
	State    State
	Subject  string // of its certificate, if it has one
	Created  time.Time
	NotAfter time.Time // of its certificate; zero without one
	Retired  time.Time // zero unless retired
}

// List returns all keys, in the order in which they were made.
func (r *Ring) List() []Info {
	var out []Info
	for _, k := range r.state().keys {
		info := Info{ID: k.id(), Kind: k.kind, State: k.state, Created: k.created, Retired: k.retired}
		if len(k.certs) > 0 {
			info.Subject, info.NotAfter = k.certs[0].Subject.String(), k.certs[0].NotAfter
		}
		out = append(out, info)
	}
	return out
}

// Rotate makes new keys current and retires those before: set "signing" those of
// codes and documents, set "document" the key of documents alone, set "divoc"
// that of DIVOC's format, which is never rotated by itself because verifiers are
// built with it. Retired keys still verify what they signed. A signer certificate of another authority than our own is
// not ours to renew: [vaccination.Conflict], and nothing changes.
func (r *Ring) Rotate(ctx context.Context, set string) error {
	return r.update(ctx, func(c *contents) error { return r.rotate(c, set) })
}

func (r *Ring) rotate(c *contents, set string) error {
	switch set {
	case "signing":
		if err := r.newSigner(c); err != nil {
			return err
		}
		return r.newDocument(c)
	case "document":
		return r.newDocument(c)
	case "divoc":
		return r.newDIVOC(c)
	default:
		return vaccination.Errorf(vaccination.Invalid, "there is no set of keys %.40q: the sets are \"signing\", \"document\" and \"divoc\"", set)
	}
}

// RotateIfDue rotates keys that have signed for half a year and reports whether
// it did, so that no credential is cut short by its signer certificate. Where
// the signer certificate is of another authority, the error says to renew it.
func (r *Ring) RotateIfDue(ctx context.Context) (bool, error) {
	if !r.due(r.state()) {
		return false, nil
	}
	done := false
	err := r.update(ctx, func(c *contents) error {
		if done = r.due(c); !done { // another process was first
			return nil
		}
		return r.rotate(c, "signing")
	})
	return done && err == nil, err
}

func (r *Ring) due(c *contents) bool {
	return r.o.Now().Sub(c.current(KindQR).created) >= signerUse
}

// Retire ends the signing of the key with that id, as [Ring.List] names it, and
// destroys its private half. A current key is replaced by a new one at once; a
// key that waits for its certificate is dropped; a retired one stays so.
func (r *Ring) Retire(ctx context.Context, id string) error {
	return r.update(ctx, func(c *contents) error {
		for i, k := range c.keys {
			if !strings.EqualFold(k.id(), id) {
				continue
			}
			switch {
			case k.state == StatePending:
				c.keys = append(c.keys[:i], c.keys[i+1:]...)
				return nil
			case k.state == StateRetired:
			case k.kind == KindQR:
				if err := r.newSigner(c); err != nil {
					return err
				}
			case k.kind == KindDocument:
				if err := r.newDocument(c); err != nil {
					return err
				}
			case k.kind == KindSeal: // the next one is the passport authority's to give
				k.retire(r.o.Now())
			case k.kind == KindDIVOC:
				if r.o.DIVOC == "" { // nobody asks for another
					k.retire(r.o.Now())
				} else if err := r.newDIVOC(c); err != nil {
					return err
				}
			default: // its signer certificate goes with it
				k.retire(r.o.Now())
				fresh, err := r.newAuthority(r.o.Now().UTC().Truncate(time.Second))
				if err != nil {
					return err
				}
				c.keys = append(c.keys, fresh)
				if err := r.newSigner(c); err != nil {
					return err
				}
			}
			k.private = nil
			return nil
		}
		return vaccination.Errorf(vaccination.NotFound, "there is no key with this id: \"divoc keys list\" shows them")
	})
}
