package trustlist

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Key is what people see of a key.
type Key struct {
	Issuer      string        `json:"issuer" doc:"whose it is, as verifiers show it"`
	IssuerID    string        `json:"issuerId,omitempty" doc:"a DID or URL, where it has one"`
	Country     string        `json:"country,omitempty"`
	Key         string        `json:"key,omitempty" doc:"by which certificates call it"`
	Fingerprint string        `json:"fingerprint" doc:"SHA-256 of its public half, or of what it withdraws"`
	Usage       []trust.Usage `json:"usage,omitempty" doc:"what it may sign; everything when left out"`
	From        time.Time     `json:"from,omitzero"`
	Until       time.Time     `json:"until,omitzero"`
	Retired     time.Time     `json:"retired,omitzero"`
	Withdraws   int           `json:"withdraws,omitempty" doc:"certificates that this list withdraws, of that country or of the cards of that key: it is no key itself"`
}

// Change is one line of a difference.
type Change struct {
	What string `json:"what" enum:"added,removed,changed"`
	Key  Key    `json:"key"`
	Was  *Key   `json:"was,omitempty" doc:"of one that changed"`
}

func keyOf(iss *trust.Issuer, k *trust.Key) Key {
	out := Key{
		Issuer: iss.Name, IssuerID: iss.ID, Country: iss.Country, Key: k.ID, Fingerprint: trust.Fingerprint(k.Public), Usage: k.Usage,
		From: k.NotBefore, Until: k.NotAfter, Retired: k.Retired,
	}
	if len(k.KeyID) > 0 {
		out.Key = hex.EncodeToString(k.KeyID)
	}
	return out
}

// text is all of a key that a person sees, to compare.
func (k Key) text() string {
	return fmt.Sprint(k.Issuer, "|", k.IssuerID, "|", k.Country, "|", k.Key, "|", k.Usage, "|", k.From.Unix(), "|", k.Until.Unix(), "|", k.Retired.Unix(), "|", k.Fingerprint)
}

func (c *Content) keys() []Key {
	var out []Key
	if c == nil {
		return nil
	}
	for i := range c.Issuers {
		for j := range c.Issuers[i].Keys {
			out = append(out, keyOf(&c.Issuers[i], &c.Issuers[i].Keys[j]))
		}
	}
	return append(out, c.withdrawn()...)
}

// Difference is what changes where next takes the place of old, which may be nil:
// a key is the same by its issuer's id, or country, and its public half; the EU
// revocation lists of a country are one line for each key and type.
func Difference(old, next *Content) []Change {
	same := func(k Key) string {
		if k.Withdraws > 0 {
			return k.Issuer + " " + k.Key
		}
		if k.IssuerID != "" {
			return k.IssuerID + " " + k.Fingerprint
		}
		return k.Country + " " + k.Fingerprint
	}
	was := map[string][]Key{}
	for _, k := range old.keys() {
		was[same(k)] = append(was[same(k)], k)
	}
	var out []Change
	for _, k := range next.keys() {
		before := was[same(k)]
		switch i := slices.IndexFunc(before, func(b Key) bool { return b.text() == k.text() }); {
		case i >= 0:
			was[same(k)] = slices.Delete(before, i, i+1)
		case len(before) > 0:
			b := before[0]
			was[same(k)] = before[1:]
			out = append(out, Change{What: "changed", Key: k, Was: &b})
		default:
			out = append(out, Change{What: "added", Key: k})
		}
	}
	for _, left := range was {
		for _, k := range left {
			out = append(out, Change{What: "removed", Key: k})
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int {
		// What is gone first: it is what a list is refused for.
		order := map[string]string{"removed": "0", "changed": "1", "added": "2"}
		return strings.Compare(order[a.What]+a.Key.Country+a.Key.Issuer+a.Key.Fingerprint, order[b.What]+b.Key.Country+b.Key.Issuer+b.Key.Fingerprint)
	})
	return out
}

// count counts a difference.
func count(list []Change) (added, removed, changed int) {
	for _, c := range list {
		switch c.What {
		case "added":
			added++
		case "removed":
			removed++
		default:
			changed++
		}
	}
	return added, removed, changed
}

// Refusals of a list as a whole; each is [vaccination.Conflict].
func refused(why string, args ...any) error {
	return vaccination.Errorf(vaccination.Conflict, "the list is refused, and the one before stays: "+why, args...)
}

// replaces says why next may not take the place of old, whoever wants it: it is
// older, or lacks too many keys that are still in their time. An empty list was
// refused when it was read.
func replaces(old, next *Content, maxLoss int, now time.Time) error {
	if next.Size() == 0 {
		return refused("it is empty")
	}
	if old == nil {
		return nil
	}
	switch {
	case (old.Keys() > 0) != (next.Keys() > 0):
		return refused("it holds something else than the one in use: signers and revocation lists are two sources")
	case next.Serial < old.Serial:
		return refused("it has the number %d, and that in use %d: it is an older one", next.Serial, old.Serial)
	case !old.Issued.IsZero() && next.Issued.IsZero():
		return refused("it does not say when it was made, and that in use does")
	case next.Issued.Before(old.Issued):
		return refused("it was made %s, before the one in use (%s)", next.Issued.Format(time.RFC3339), old.Issued.Format(time.RFC3339))
	}
	lost, of := lost(old, next, now)
	if lost*100 > of*maxLoss {
		return refused("it lacks %d of %d keys, more than the %d%% that are set for this source", lost, of, maxLoss)
	}
	if lost, of := lostHashes(old, next, now); lost*100 > of*maxLoss {
		return refused("it lacks %d of %d withdrawn certificates, more than the %d%% that are set for this source", lost, of, maxLoss)
	}
	switch lost, of, why := lostCards(old, next); {
	case why != "":
		return refused("%s", why)
	case lost*100 > of*maxLoss:
		return refused("it lacks %d of %d withdrawn cards, more than the %d%% that are set for this source", lost, of, maxLoss)
	}
	for i := range old.Status {
		was := &old.Status[i]
		j := slices.IndexFunc(next.Status, func(s trust.Snapshot) bool { return s.Issuer == was.Issuer })
		switch {
		case j < 0:
			return refused("it no longer says which certificates were withdrawn")
		case next.Status[j].AsOf.Before(was.AsOf):
			return refused("its states are older than those in use")
		case !next.Status[j].Keeps(was):
			return refused("it makes withdrawn certificates valid again")
		}
	}
	return nil
}

// lost counts the keys of old, still in their time, that next lacks.
func lost(old, next *Content, now time.Time) (lost, of int) {
	have := map[string]bool{}
	for _, k := range next.keys() {
		have[k.Country+" "+k.Fingerprint] = true
	}
	for _, k := range old.keys() {
		if k.Withdraws > 0 || !k.Until.IsZero() && k.Until.Before(now) || !k.Retired.IsZero() {
			continue
		}
		of++
		if !have[k.Country+" "+k.Fingerprint] {
			lost++
		}
	}
	return lost, of
}
