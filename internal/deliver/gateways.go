package deliver

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/deliver/transport"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

// Settings are those of a gateway, as its file says them.
type Settings = transport.Settings

// gateway is one that is open.
type gateway struct {
	name      string
	changed   time.Time
	settings  Settings
	transport transport.Transport
	receipts  string // where they go
}

// GatewayInfo is what is shown of a gateway: nothing of its credentials.
type GatewayInfo struct {
	Name     string    `json:"name"`
	Channel  string    `json:"channel" enum:"sms,email"`
	Kind     string    `json:"kind" enum:"http,smtp,file"`
	Paused   bool      `json:"paused"`
	Down     bool      `json:"down" doc:"it is being left alone for a while"`
	Failures int       `json:"failures" doc:"in a row"`
	Reason   string    `json:"reason,omitempty" doc:"of the last failure"`
	Changed  time.Time `json:"changedAt"`
}

var gatewayName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

func may(by access.Caller) error { return by.Can(access.ManageMessages) }

func gatewayAAD(name string) []byte { return []byte("gateway " + name) }

func (s *Service) secretHash(secret string) []byte {
	return s.Box.Index(seal.Content, "receipts "+secret)
}

// stored is what is sealed of a gateway: its file, and the secret part of the
// address of its receipts.
const secretSize = 20 // bytes

// SetGateway makes or changes a gateway from the text of its file, and returns
// the address that its provider is to send receipts to. The file's credentials
// are sealed and never shown again. The error is [vaccination.Invalid] with all
// that is wrong in it.
func (s *Service) SetGateway(ctx context.Context, by access.Caller, name, file string) (receipts string, err error) {
	if err := by.Can(access.ManageSettings); err != nil {
		return "", err
	}
	if !gatewayName.MatchString(name) {
		return "", vaccination.Errorf(vaccination.Invalid, "a gateway's name has 1 to 40 small letters, digits and hyphens")
	}
	settings, err := transport.Parse(name, []byte(file))
	if err != nil {
		return "", vaccination.Errorf(vaccination.Invalid, "%s", err)
	}
	if _, err := s.Transports(settings); err != nil {
		return "", vaccination.Errorf(vaccination.Invalid, "%s", err)
	}
	random := make([]byte, secretSize)
	if _, err := io.ReadFull(s.Random, random); err != nil {
		return "", err
	}
	secret := base64.RawURLEncoding.EncodeToString(random)
	now := s.Now().UTC()
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		// One that is changed keeps its address: its provider knows it.
		if row, err := q.GatewayByName(ctx, name); err == nil {
			if _, secret, err = s.unsealGateway(row); err != nil {
				return err
			}
		} else if !registry.IsNone(err) {
			return err
		}
		sealed, err := s.Box.Seal([]byte(secret+"\n"+file), gatewayAAD(name))
		if err != nil {
			return err
		}
		if err := q.PutGateway(ctx, query.PutGatewayParams{Name: name, Channel: settings.Channel(), Sealed: sealed, Secret: s.secretHash(name + " " + secret), At: now}); err != nil {
			return err
		}
		return registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.AdminChain, Act: "gateway.set", Object: name, Detail: settings.Kind})
	})
	s.forget()
	return s.receiptsURL(name, secret), err
}

func (s *Service) receiptsURL(name, secret string) string {
	return s.PublicURL + "/api/v1/receipts/" + name + "/" + secret
}

func (s *Service) unsealGateway(row query.Gateway) (file, secret string, err error) {
	plain, err := s.Box.Unseal(row.Sealed, gatewayAAD(row.Name))
	if err != nil {
		return "", "", fmt.Errorf("opening the gateway %s: %w", row.Name, err)
	}
	for i, c := range plain {
		if c == '\n' {
			return string(plain[i+1:]), string(plain[:i]), nil
		}
	}
	return "", "", fmt.Errorf("opening the gateway %s: it is damaged", row.Name)
}

// openGateway opens a stored gateway, once until it is changed.
func (s *Service) openGateway(row query.Gateway) (gateway, error) {
	s.mu.Lock()
	g, ok := s.open[row.Name]
	s.mu.Unlock()
	if ok && g.changed.Equal(row.ChangedAt) {
		return g, nil
	}
	file, secret, err := s.unsealGateway(row)
	if err != nil {
		return gateway{}, err
	}
	settings, err := transport.Parse(row.Name, []byte(file))
	if err != nil {
		return gateway{}, fmt.Errorf("the settings of the gateway %s do not hold any more", row.Name) // their words may hold credentials
	}
	t, err := s.Transports(settings)
	if err != nil {
		return gateway{}, fmt.Errorf("the gateway %s cannot be used", row.Name)
	}
	g = gateway{name: row.Name, changed: row.ChangedAt, settings: settings, transport: t, receipts: s.receiptsURL(row.Name, secret)}
	s.mu.Lock()
	s.open[row.Name] = g
	s.mu.Unlock()
	return g, nil
}

// transport is the real one of settings.
func (s *Service) transport(settings Settings) (transport.Transport, error) {
	return transport.New(settings, transport.Options{Now: s.Now, Client: http.DefaultTransport, Demo: s.Demo, File: s.Outbox})
}

func (s *Service) forget() {
	s.mu.Lock()
	s.channels, s.read = nil, time.Time{}
	s.mu.Unlock()
}

// lookAgain is how long what is known of gateways counts.
const lookAgain = 5 * time.Second

// carries reports whether somebody carries messages of a channel: without, none
// is queued by itself, as years of them would go out once somebody does.
func (s *Service) carries(ctx context.Context, q *query.Queries, channel string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.channels == nil || s.Now().Sub(s.read).Abs() > lookAgain {
		rows, err := q.Gateways(ctx)
		if err != nil {
			return false, err
		}
		s.channels, s.read = map[string]bool{}, s.Now()
		for _, row := range rows {
			s.channels[row.Channel] = true
		}
	}
	return s.channels[channel], nil
}

// Carries reports whether there is a gateway for a number or address.
func (s *Service) Carries(ctx context.Context, to string) (bool, error) {
	return s.carries(ctx, s.queries(), channelOf(to))
}

// Gateways lists the gateways.
func (s *Service) Gateways(ctx context.Context, by access.Caller) ([]GatewayInfo, error) {
	if err := may(by); err != nil {
		return nil, err
	}
	rows, err := s.queries().Gateways(ctx)
	out := []GatewayInfo{}
	for _, row := range rows {
		i := GatewayInfo{Name: row.Name, Channel: row.Channel, Paused: row.Paused, Down: row.DownUntil.After(s.Now()), Failures: int(row.Failures), Reason: row.Reason, Changed: row.ChangedAt}
		if g, err := s.openGateway(row); err == nil {
			i.Kind = g.settings.Kind
		}
		out = append(out, i)
	}
	return out, err
}

// ReceiptsURL is the address to which a gateway's provider sends receipts.
func (s *Service) ReceiptsURL(ctx context.Context, by access.Caller, name string) (string, error) {
	if err := by.Can(access.ManageSettings); err != nil {
		return "", err
	}
	row, err := s.gatewayRow(ctx, name)
	if err != nil {
		return "", err
	}
	_, secret, err := s.unsealGateway(row)
	return s.receiptsURL(name, secret), err
}

func errNoGateway() error {
	return vaccination.Errorf(vaccination.NotFound, "there is no such gateway")
}

func (s *Service) gatewayRow(ctx context.Context, name string) (query.Gateway, error) {
	row, err := s.queries().GatewayByName(ctx, name)
	if registry.IsNone(err) {
		return row, errNoGateway()
	}
	return row, err
}

// PauseGateway stops a gateway, or lets it go on at once. What is queued waits.
func (s *Service) PauseGateway(ctx context.Context, by access.Caller, name string, paused bool) error {
	return s.changeGateway(ctx, by, name, map[bool]string{true: "gateway.pause", false: "gateway.resume"}[paused], func(q *query.Queries) (int64, error) {
		return q.PauseGateway(ctx, query.PauseGatewayParams{Name: name, Paused: paused})
	})
}

// DeleteGateway forgets a gateway and its credentials.
func (s *Service) DeleteGateway(ctx context.Context, by access.Caller, name string) error {
	defer s.forget()
	return s.changeGateway(ctx, by, name, "gateway.delete", func(q *query.Queries) (int64, error) { return q.DeleteGateway(ctx, name) })
}

func (s *Service) changeGateway(ctx context.Context, by access.Caller, name, act string, do func(*query.Queries) (int64, error)) error {
	need := access.ManageMessages
	if act == "gateway.delete" {
		need = access.ManageSettings
	}
	if err := by.Can(need); err != nil {
		return err
	}
	return s.Store.Tx(ctx, func(q *query.Queries) error {
		n, err := do(q)
		if err == nil && n == 0 {
			err = errNoGateway()
		}
		if err != nil {
			return err
		}
		return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, registry.Entry{Chain: registry.AdminChain, Act: act, Object: name})
	})
}

// secretFits compares a secret of an address with the stored hash, in the same
// time whatever it is.
func (s *Service) secretFits(row query.Gateway, secret string) bool {
	return subtle.ConstantTimeCompare(s.secretHash(row.Name+" "+secret), row.Secret) == 1
}
