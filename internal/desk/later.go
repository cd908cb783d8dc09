package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// Later is somebody for whom there was no network: what was written on their slip.
type Later struct {
	Reference string    `json:"reference"` // that the browser made and printed
	Text      string    `json:"text"`      // as for a [Question]
	At        time.Time `json:"at"`
}

const (
	kindLater = "later"
	maxLater  = 100
	laterLife = 36 * time.Hour
)

var reference = regexp.MustCompile(`^[0-9A-Z]{4}-[0-9A-Z]{4}$`)

// laterKey is the one list of a member of staff.
func (s *Service) laterKey(by access.Caller) []byte {
	return s.Box.Index(seal.Content, "desk later "+by.Actor)
}

// Later returns the caller's list, oldest first.
func (s *Service) Later(ctx context.Context, by access.Caller) ([]Later, error) {
	key := s.laterKey(by)
	row, err := s.Store.Read().DeskDraft(ctx, query.DeskDraftParams{ID: key, Actor: by.Actor, Kind: kindLater, At: s.Now().UTC()})
	if registry.IsNone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b, err := s.Box.Unseal(row.Sealed, draftAAD(by, kindLater, key))
	if err != nil {
		return nil, fmt.Errorf("opening the list of the desk: %w", err)
	}
	var list []Later
	return list, json.Unmarshal(b, &list)
}

// AddLater adds to the caller's list; an entry whose reference is there already
// changes nothing, so that a list may be sent twice.
func (s *Service) AddLater(ctx context.Context, by access.Caller, entries []Later) error {
	if err := by.Can(access.SearchPeople); err != nil {
		return err
	}
	list, err := s.Later(ctx, by)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !reference.MatchString(e.Reference) || e.Text == "" || utf8.RuneCountInString(e.Text) > 200 || e.At.IsZero() {
			return vaccination.Errorf(vaccination.Invalid, "an entry has a reference like 7K2M-91XA, a text of at most 200 characters and a time")
		}
		if !slices.ContainsFunc(list, func(o Later) bool { return o.Reference == e.Reference }) {
			list = append(list, e)
		}
	}
	if len(list) > maxLater {
		return vaccination.Errorf(vaccination.TooMany, "there are more than %d entries on your list: print those first", maxLater)
	}
	return s.putLater(ctx, by, list)
}

// DropLater takes an entry off the caller's list.
func (s *Service) DropLater(ctx context.Context, by access.Caller, ref string) error {
	list, err := s.Later(ctx, by)
	if err != nil {
		return err
	}
	return s.putLater(ctx, by, slices.DeleteFunc(list, func(l Later) bool { return l.Reference == ref }))
}

func (s *Service) putLater(ctx context.Context, by access.Caller, list []Later) error {
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	key := s.laterKey(by)
	sealed, err := s.Box.Seal(b, draftAAD(by, kindLater, key))
	if err != nil {
		return err
	}
	return s.Store.Read().PutDeskDraft(ctx, query.PutDeskDraftParams{ID: key, Actor: by.Actor, Kind: kindLater, Sealed: sealed, ExpiresAt: s.Now().UTC().Add(laterLife)})
}
