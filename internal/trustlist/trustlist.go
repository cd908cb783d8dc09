// Package trustlist keeps whose signatures count beside our own: lists of signers,
// authorities and keys that an administrator named, from a file or an address,
// never from a scanned code.
//
// A list is read, compared with the one that counts, and waits until somebody who
// saw the difference applies it; a list that somebody signed whom the administrator
// pinned may be applied by a schedule. Whatever comes, an older list, an empty one
// and one that lost more than a set share of its keys are refused, and the last
// good one stays: its age is shown and measured. Every version that counted is
// kept, and going back to one is an act like any other. Each act is an entry of the
// audit.
package trustlist

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Options are what a Service needs; all are required except Changed and Fetch.
type Options struct {
	Store *registry.Store
	// Own is who this system is: its own name and keys are in no list.
	Own func() trust.Issuer
	// Demo: published test keys may be imported, for a demonstration.
	Demo bool
	// Changed is told that other keys count from now on.
	Changed func()
	// Fetch gets a list from an address; nil is [Fetcher].
	Fetch func(ctx context.Context, address string) ([]byte, error)
	Now   func() time.Time
	Log   *slog.Logger
}

// Service keeps trust. It is safe for concurrent use.
type Service struct {
	Options

	mu      sync.Mutex
	current *Current
	looked  time.Time
}

// New returns a Service.
func New(o Options) *Service {
	if o.Fetch == nil {
		o.Fetch = Fetcher(nil)
	}
	return &Service{Options: o}
}

// Settings are what is set for a source.
type Settings struct {
	Name string
	Kind Kind
	URL  string // https; "" for files alone
	// Issuer is whose keys a list holds that does not say: the https URL of an
	// issuer of cards, the name by which certificates call a key of DIVOC's format.
	// For a document that names its subject, it must be this one.
	Issuer     string
	IssuerName string // as verifiers show it
	// Anchors vouch for the list: certificates and public keys in PEM.
	Anchors string
	// EveryHours is how often its URL is asked by itself, 0 for never. What nobody
	// signed whom the anchors vouch for waits for a person all the same.
	EveryHours int
	// MaxLoss is how many per cent of its keys a new list may lack, at most.
	MaxLoss int
}

// DefaultMaxLoss is [Settings.MaxLoss] where nothing else is said.
const DefaultMaxLoss = 20

// Source is a source as it stands.
type Source struct {
	Settings
	Version int64     // that counts, 0 for none
	Keys    int       // of it
	Since   time.Time // when it was applied
	Seen    time.Time // when the list was last found to be so
	Asked   time.Time // when its URL was last asked
	Fault   string    // what was wrong then
	Waiting int64     // the version that waits for somebody, 0 for none
	Changed time.Time
	By      string
}

// Age is how long ago the list was last found to be so.
func (s Source) Age(now time.Time) time.Duration {
	if s.Seen.IsZero() {
		return 0
	}
	return now.Sub(s.Seen)
}

// Version is one list as it was imported.
type Version struct {
	ID                      int64
	Source                  string
	Waiting                 bool
	Current                 bool
	Base                    int64     // the version that its difference is against
	Issued                  time.Time // by its publisher; zero where it does not say
	Serial                  int64
	Signed                  bool
	Keys                    int
	Added, Removed, Changed int
	LeftOut                 []string
	Made                    time.Time
	By                      string
	Decided                 time.Time
	Decider                 string
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// check says what is wrong with settings, all at once, and puts anchors into their
// one form.
func (s *Settings) check() error {
	e := vaccination.Errorf(vaccination.Invalid, "the settings of the trust source have a fault")
	fault := func(path, message string) {
		e.Faults = append(e.Faults, vaccination.Fault{Path: path, Code: vaccination.FaultFormat, Message: message})
	}
	if !nameForm.MatchString(s.Name) {
		fault("name", "1 to 40 small letters, digits and hyphens, such as eu-signers")
	}
	known := false
	for _, k := range Kinds() {
		known = known || k == s.Kind
	}
	if !known {
		fault("kind", "one of certificates, did, cards, masterlist, keys, divoc, hashes")
	}
	if s.URL != "" {
		if err := checkAddress(s.URL); err != nil {
			fault("url", err.Error())
		}
	}
	if len(s.Issuer) > 300 || !plainText(s.Issuer) {
		fault("issuer", "a URL or DID, at most 300 characters")
	}
	if s.IssuerName != line(s.IssuerName, 100) {
		fault("issuerName", "at most 100 characters on one line")
	}
	if s.EveryHours < 0 || s.EveryHours > 8760 || s.EveryHours > 0 && s.URL == "" {
		fault("every", "hours, at most a year, of a source that has a URL")
	}
	if s.MaxLoss < 0 || s.MaxLoss > 100 {
		fault("maxLoss", "per cent, 0 to 100")
	}
	text, _, _, err := parseAnchors([]byte(s.Anchors))
	if err != nil {
		fault("anchors", err.Error())
	}
	if s.Anchors = text; len(e.Faults) > 0 {
		return e
	}
	return nil
}

// checkAddress refuses what is never asked.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || len(address) > 500 || !plainText(address) {
		return fmt.Errorf("an address is https://…, without user or password")
	}
	return nil
}

// detail is what the audit says of settings: no more than tells them apart.
func (s *Settings) detail() string {
	anchors := "none"
	if s.Anchors != "" {
		sum := sha256.Sum256([]byte(s.Anchors))
		anchors = hex.EncodeToString(sum[:16])
	}
	return fmt.Sprintf("%s, every %d h, loss %d%%, anchors %s, issuer %s %q, %s", s.Kind, s.EveryHours, s.MaxLoss, anchors, s.Issuer, s.IssuerName, s.URL)
}

// Put makes a source, or changes the settings of one. The kind of one that is
// there stays. Nothing is trusted by it.
func (s *Service) Put(ctx context.Context, by access.Caller, set Settings) error {
	if err := by.Can(access.ManageKeys); err != nil {
		return err
	}
	if err := set.check(); err != nil {
		return err
	}
	now := s.Now().UTC()
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		row, err := q.LockTrustSource(ctx, set.Name)
		switch {
		case registry.IsNone(err):
		case err != nil:
			return err
		case row.Kind != string(set.Kind):
			return vaccination.Errorf(vaccination.Conflict, "the source %s is of kind %s: another kind is another source", set.Name, row.Kind)
		case settingsOf(row) == set:
			return nil
		}
		err = q.PutTrustSource(ctx, query.PutTrustSourceParams{
			Name: set.Name, Kind: string(set.Kind), Url: set.URL, Issuer: set.Issuer, IssuerName: set.IssuerName, Anchors: set.Anchors,
			EveryHours: int32(set.EveryHours), MaxLoss: int16(set.MaxLoss), ChangedAt: now, ChangedBy: by.Actor,
		})
		if err != nil {
			return err
		}
		// What waits was read with other settings.
		if err := q.DropWaitingTrust(ctx, set.Name); err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.AdminChain, Act: registry.ActTrustSource, Object: set.Name, Detail: set.detail()})
	})
}

func settingsOf(r query.TrustSource) Settings {
	return Settings{
		Name: r.Name, Kind: Kind(r.Kind), URL: r.Url, Issuer: r.Issuer, IssuerName: r.IssuerName, Anchors: r.Anchors,
		EveryHours: int(r.EveryHours), MaxLoss: int(r.MaxLoss),
	}
}

// Sources returns all sources by name.
func (s *Service) Sources(ctx context.Context, by access.Caller) ([]Source, error) {
	if err := by.Can(access.ManageKeys); err != nil {
		return nil, err
	}
	rows, err := s.Store.Read().TrustSources(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Source, 0, len(rows))
	for _, r := range rows {
		one, err := s.source(ctx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// Source returns one source; an unknown one is [vaccination.NotFound].
func (s *Service) Source(ctx context.Context, by access.Caller, name string) (Source, error) {
	if err := by.Can(access.ManageKeys); err != nil {
		return Source{}, err
	}
	r, err := s.Store.Read().TrustSource(ctx, name)
	if err != nil {
		return Source{}, missing(err)
	}
	return s.source(ctx, r)
}

func missing(err error) error {
	if registry.IsNone(err) {
		return vaccination.Errorf(vaccination.NotFound, "there is no such trust source")
	}
	return err
}

func (s *Service) source(ctx context.Context, r query.TrustSource) (Source, error) {
	out := Source{Settings: settingsOf(r), Fault: r.Fault, Changed: r.ChangedAt, By: r.ChangedBy, Seen: moment(r.SeenAt), Asked: moment(r.AskedAt)}
	if r.Version != nil {
		out.Version = *r.Version
	}
	list, err := s.Store.Read().TrustVersions(ctx, query.TrustVersionsParams{Source: r.Name, MaxRows: maxVersions})
	for _, v := range list {
		switch {
		case v.State == stateWaiting:
			out.Waiting = v.ID
		case v.ID == out.Version:
			out.Keys, out.Since = int(v.Keys), moment(v.DecidedAt)
		}
	}
	return out, err
}

// maxVersions bounds the versions that are listed.
const maxVersions = 200

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// Versions returns the versions of a source, the newest first.
func (s *Service) Versions(ctx context.Context, by access.Caller, name string) ([]Version, error) {
	if err := by.Can(access.ManageKeys); err != nil {
		return nil, err
	}
	r, err := s.Store.Read().TrustSource(ctx, name)
	if err != nil {
		return nil, missing(err)
	}
	rows, err := s.Store.Read().TrustVersions(ctx, query.TrustVersionsParams{Source: name, MaxRows: maxVersions})
	if err != nil {
		return nil, err
	}
	out := make([]Version, 0, len(rows))
	for _, v := range rows {
		out = append(out, Version{
			ID: v.ID, Source: v.Source, Waiting: v.State == stateWaiting, Current: r.Version != nil && *r.Version == v.ID, Base: v.Base,
			Issued: moment(v.Issued), Serial: v.Serial, Signed: v.Signed, Keys: int(v.Keys), Added: int(v.Added), Removed: int(v.Removed), Changed: int(v.Changed),
			LeftOut: lines(v.LeftOut), Made: v.MadeAt, By: v.MadeBy, Decided: moment(v.DecidedAt), Decider: v.DecidedBy,
		})
	}
	return out, nil
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// The states of a version.
const (
	stateWaiting = "waiting"
	stateApplied = "applied"
)

// Export is what a source's list says now, as the JSON of a trust bundle without
// signature: for [trust.ParseNamed] and `divoc verify --trust`.
func (s *Service) Export(ctx context.Context, by access.Caller, name string) ([]byte, error) {
	if err := by.Can(access.ManageKeys); err != nil {
		return nil, err
	}
	r, err := s.Store.Read().TrustSource(ctx, name)
	if err != nil {
		return nil, missing(err)
	}
	if r.Version == nil {
		return nil, vaccination.Errorf(vaccination.NotFound, "nothing of this source counts yet")
	}
	v, err := s.Store.Read().TrustVersion(ctx, *r.Version)
	if err != nil {
		return nil, err
	}
	c, err := unpack(v.List)
	if err != nil {
		return nil, err
	}
	b := c.bundle()
	if b.Cards, err = c.crls(); err != nil {
		return nil, err
	}
	return b.Sign()
}
