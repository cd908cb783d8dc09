package issuance

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Published is what this issuer published, as it was found outside: the newest
// trust bundle and the newest copy of each status list. Everything in it is
// signed with keys of ours.
type Published struct {
	s      *Service
	bundle *trust.Bundle
	states *trust.Snapshot // of bundle
	keys   *trust.List     // ours, and those that bundle says are ours
	lists  map[listKey]*vc.StatusListCredential
}

type listKey struct {
	list    int32
	purpose string
}

// NewPublished returns an empty collection.
func (s *Service) NewPublished() *Published {
	return &Published{s: s, keys: ownKeys(s.Keys.Issuer()), lists: map[listKey]*vc.StatusListCredential{}}
}

func ownKeys(issuer trust.Issuer) *trust.List {
	return trust.New(&trust.Bundle{Issuers: []trust.Issuer{issuer}})
}

// Add adds a trust bundle or a status list. Of two copies the newer stays. What
// is not of this issuer, or not signed with a key of it, is an error. Bundles
// are to be added before lists: they name keys that were made after the backup.
func (p *Published) Add(data []byte) error {
	if bytes.Contains(data, []byte("BitstringStatusListCredential")) {
		return p.addList(data)
	}
	return p.addBundle(data)
}

func (p *Published) addBundle(data []byte) error {
	b, err := trust.Parse(data)
	if err != nil {
		return err
	}
	own := p.s.Keys.Issuer()
	i := slices.IndexFunc(b.Issuers, func(i trust.Issuer) bool { return i.ID == own.ID })
	n := slices.IndexFunc(b.Status, func(s trust.Snapshot) bool { return s.Issuer == own.ID })
	switch {
	case i < 0 || n < 0:
		return fmt.Errorf("the trust bundle is not of %s", own.ID)
	case !signedBy(b, own):
		return errors.New("the trust bundle is not signed with a key of this installation")
	case p.bundle != nil && p.bundle.Version >= b.Version:
		return nil
	}
	p.bundle, p.states = b, &b.Status[n]
	both := own
	both.Keys = slices.Concat(own.Keys, p.LostKeys())
	p.keys = ownKeys(both)
	return nil
}

// signedBy reports whether one of the proofs of b, which were verified with the
// keys b lists, is by a key of own.
func signedBy(b *trust.Bundle, own trust.Issuer) bool {
	ours := map[string]bool{}
	for _, k := range own.Keys {
		if _, ok := k.Public.(ed25519.PublicKey); ok {
			ours[k.ID+" "+trust.Fingerprint(k.Public)] = true
		}
	}
	for _, iss := range b.Issuers {
		for _, k := range iss.Keys {
			proved := slices.ContainsFunc(b.Proofs, func(p trust.Proof) bool { return p.Key == k.ID })
			if proved && ours[k.ID+" "+trust.Fingerprint(k.Public)] {
				return true
			}
		}
	}
	return false
}

// LostKeys are the keys that the bundle says are ours and the keyring does not
// have: they were made after the backup.
func (p *Published) LostKeys() []trust.Key {
	if p.bundle == nil {
		return nil
	}
	own := p.s.Keys.Issuer()
	have := map[string]bool{}
	for _, k := range own.Keys {
		have[trust.Fingerprint(k.Public)] = true
	}
	var out []trust.Key
	for _, iss := range p.bundle.Issuers {
		for _, k := range iss.Keys {
			if iss.ID == own.ID && !have[trust.Fingerprint(k.Public)] {
				out = append(out, k)
			}
		}
	}
	return out
}

// Others are whom the bundle trusts beside us, with their keys, and what their
// countries withdrew; nil where there is no bundle.
func (p *Published) Others() *trust.Bundle {
	if p.bundle == nil {
		return nil
	}
	own := p.s.Keys.Issuer().ID
	issuers := slices.DeleteFunc(slices.Clone(p.bundle.Issuers), func(i trust.Issuer) bool { return i.ID == own })
	return &trust.Bundle{Issuers: issuers, HashLists: p.bundle.HashLists, Cards: p.bundle.Cards}
}

func (p *Published) addList(data []byte) error {
	list, err := vc.ParseStatusList(data)
	if err != nil {
		return fmt.Errorf("a status list: %w", err)
	}
	number, err := strconv.ParseInt(list.URL[strings.LastIndexByte(list.URL, '/')+1:], 10, 32)
	if err != nil || list.URL != p.s.ListURL(list.Purpose, int32(number)) || list.Issuer != p.s.issuer.ID || number < 0 || number>>16 >= registry.AdminChain {
		return errors.New("a status list is not of this installation")
	}
	if !verifies(list.VerificationMethod(), list.Verify, p.keys) {
		return fmt.Errorf("the status list %s is not signed with a key of this installation", list.URL)
	}
	key := listKey{int32(number), list.Purpose}
	if before := p.lists[key]; before == nil || before.IssuedAt.Before(list.IssuedAt) {
		p.lists[key] = list
	}
	return nil
}

// bits are the bits of a list, all off where there is none.
func (p *Published) bits(key listKey) *vc.StatusList {
	out := &vc.StatusList{}
	list := p.lists[key]
	if list == nil {
		return out
	}
	for index := range uint32(vc.ListSize) {
		if on, err := list.Lookup(vc.StatusEntry{Purpose: key.purpose, List: list.URL, Index: index}); err == nil && on {
			out.Set(index, true)
		}
	}
	return out
}

// AsOf is the oldest time that what was found is of: what was withdrawn later is
// not in all of it. Zero when nothing was found.
func (p *Published) AsOf() time.Time {
	var out time.Time
	older := func(t time.Time) {
		if out.IsZero() || t.Before(out) {
			out = t
		}
	}
	if p.states != nil {
		older(p.states.AsOf)
	}
	for _, l := range p.lists {
		older(l.IssuedAt)
	}
	return out
}

// Fetch adds what stands below base, an address that has the paths of this
// server: the trust bundle, and the lists of every group of buckets one after
// the other until there is none.
func (p *Published) Fetch(ctx context.Context, base string, get func(ctx context.Context, url string) (data []byte, status int, err error)) error {
	base = strings.TrimRight(base, "/")
	fetch := func(path string) (found bool, err error) {
		data, status, err := get(ctx, base+path)
		switch {
		case err != nil:
			return false, err
		case status == http.StatusNotFound:
			return false, nil
		case status != http.StatusOK:
			return false, fmt.Errorf("%s%s answers %d: name a copy that is kept elsewhere", base, path, status)
		}
		if err := p.Add(data); err != nil {
			return false, fmt.Errorf("%s%s: %w", base, path, err)
		}
		return true, nil
	}
	if _, err := fetch("/trust/bundle.json"); err != nil {
		return err
	}
	groups, err := p.s.Store.Read().StatusNext(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.ID >= registry.AdminChain {
			continue
		}
		for n := int64(0); ; n++ {
			any := false
			for _, purpose := range purposes() {
				found, err := fetch(strings.TrimPrefix(p.s.ListURL(purpose, listID(g.ID, n*listPositions)), p.s.PublicURL))
				if err != nil {
					return err
				}
				any = any || found
			}
			if !any && n >= g.StatusNext/listPositions {
				break
			}
		}
	}
	return nil
}

// purposes are those of the status lists.
func purposes() []string { return []string{"revocation", "suspension"} }

// enough says what is missing of what was published to know what was withdrawn
// after the backup: a trust bundle newer than the backup's, and each list that
// was published by then.
func (p *Published) enough(bundleBefore int64, lists []listKey) error {
	switch {
	case p.bundle == nil:
		return vaccination.Errorf(vaccination.Conflict, "there is no trust bundle among what was given: it names what was withdrawn after the backup (/trust/bundle.json, or the trust.json of a verifier)")
	case p.bundle.Version <= bundleBefore:
		return vaccination.Errorf(vaccination.Conflict, "the trust bundle (version %d) is not newer than the backup (version %d): find one that was published after it", p.bundle.Version, bundleBefore)
	}
	for _, key := range lists {
		if p.lists[key] == nil {
			return vaccination.Errorf(vaccination.Conflict, "the %s list %d had been published and is not among what was given: without it, certificates that were withdrawn and are lost here would be valid again", key.purpose, key.list)
		}
	}
	return nil
}
