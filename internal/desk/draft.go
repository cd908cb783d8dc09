package desk

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// The kinds of drafts.
const (
	kindFound  = "found"
	kindRecord = "record"
	kindForm   = "form"
)

// draftLife is how long a draft is kept; an opened record is closed sooner.
const (
	draftLife  = 8 * time.Hour
	recordLife = 30 * time.Minute
)

// errEnded says that a draft is not there any more, or is somebody else's.
func errEnded() error {
	return vaccination.Errorf(vaccination.NotFound, "this has ended: search again")
}

// NewName draws a name for a draft or a form: 128 random bits, which only who
// was given it knows.
func (s *Service) NewName() (string, error) {
	var b [16]byte
	_, err := io.ReadFull(s.Random, b[:])
	return base64.RawURLEncoding.EncodeToString(b[:]), err
}

// nameLength is the length of a name.
const nameLength = 22

// key is what is stored of a name. What is no name has the key of none.
func (s *Service) key(name string) ([]byte, error) {
	if b, err := base64.RawURLEncoding.Strict().DecodeString(name); err != nil || len(name) != nameLength || len(b) != 16 {
		return nil, errEnded()
	}
	return s.Box.Index(seal.Content, "desk "+name), nil
}

// put keeps a draft under a name of the caller's.
func (s *Service) put(ctx context.Context, by access.Caller, name, kind string, life time.Duration, content any) error {
	key, err := s.key(name)
	if err != nil {
		return err
	}
	b, err := json.Marshal(content)
	if err != nil {
		return err
	}
	sealed, err := s.Box.Seal(b, draftAAD(by, kind, key))
	if err != nil {
		return err
	}
	return s.Store.Read().PutDeskDraft(ctx, query.PutDeskDraftParams{ID: key, Actor: by.Actor, Kind: kind, Sealed: sealed, ExpiresAt: s.Now().UTC().Add(life)})
}

// add keeps a draft under a new name.
func (s *Service) add(ctx context.Context, by access.Caller, kind string, life time.Duration, content any) (name string, err error) {
	if name, err = s.NewName(); err != nil {
		return "", err
	}
	return name, s.put(ctx, by, name, kind, life, content)
}

// get reads a draft of the caller's. Another's is [vaccination.NotFound], as one
// that ended is.
func (s *Service) get(ctx context.Context, by access.Caller, name, kind string, content any) error {
	key, err := s.key(name)
	if err != nil {
		return err
	}
	row, err := s.Store.Read().DeskDraft(ctx, query.DeskDraftParams{ID: key, Actor: by.Actor, Kind: kind, At: s.Now().UTC()})
	if registry.IsNone(err) {
		return errEnded()
	}
	if err != nil {
		return err
	}
	b, err := s.Box.Unseal(row.Sealed, draftAAD(by, kind, key))
	if err != nil {
		return fmt.Errorf("opening a draft of the desk: %w", err)
	}
	return json.Unmarshal(b, content)
}

func draftAAD(by access.Caller, kind string, key []byte) []byte {
	return append([]byte("desk "+kind+" "+by.Actor+" "), key...)
}

// KeepForm keeps what was typed into a form, so that a reload loses nothing; name
// is of [Service.NewName].
func (s *Service) KeepForm(ctx context.Context, by access.Caller, name string, form map[string]string) error {
	return s.put(ctx, by, name, kindForm, draftLife, form)
}

// Form returns what was kept of a form, [vaccination.NotFound] where there is
// nothing.
func (s *Service) Form(ctx context.Context, by access.Caller, name string) (form map[string]string, err error) {
	return form, s.get(ctx, by, name, kindForm, &form)
}

// DropForm forgets a form.
func (s *Service) DropForm(ctx context.Context, by access.Caller, name string) error {
	key, err := s.key(name)
	if err != nil {
		return err
	}
	_, err = s.Store.Read().DropDeskDraft(ctx, query.DropDeskDraftParams{ID: key, Actor: by.Actor})
	return err
}
