package staff

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// world is the staff of a house with a database of its own.
type world struct {
	*Service
	t   testing.TB
	now time.Time
}

const good = "copper lantern swims north"

func newWorld(t testing.TB) *world {
	t.Helper()
	store, err := registry.Open(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	key, err := seal.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	box, err := seal.Open(key, t.TempDir(), seal.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	w.Service, err = New(Options{
		Store: store, Box: box, Now: func() time.Time { return w.now }, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
		PublicURL: "https://certificates.example.org", Issuer: "Ministry of Health",
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// beside is the same staff as another process sees it.
func (w *world) beside(change func(*Options)) *Service {
	w.t.Helper()
	o := w.Options
	change(&o)
	s, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// invite makes an account and its link.
func (w *world) invite(login string, role access.Role, facility string) (int64, string) {
	w.t.Helper()
	id, link, err := w.Invite(w.t.Context(), access.System("test"), Invitee{Name: "Somebody", Login: login, Role: role, Facility: facility})
	if err != nil {
		w.t.Fatal(err)
	}
	return id, link
}

// somebody is a member with password, app and recovery codes.
type somebody struct {
	id       int64
	login    string
	totp     []byte
	recovery []string
	session  string
}

func (w *world) somebody(login string, role access.Role, facility string) *somebody {
	w.t.Helper()
	id, link := w.invite(login, role, facility)
	i, err := w.Invitation(w.t.Context(), link)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &somebody{id: id, login: login, totp: i.TOTP}
	if p.session, p.recovery, err = w.Accept(w.t.Context(), link, good, w.code(p), Browser{}); err != nil {
		w.t.Fatal(err)
	}
	w.later(time.Minute) // the code is used
	return p
}

func (w *world) code(p *somebody) string { return totpCode(p.totp, w.now.Unix()/totpPeriod) }

func (w *world) later(d time.Duration) { w.now = w.now.Add(d) }

// in signs somebody in by password and code.
func (w *world) in(p *somebody, b Browser) string {
	w.t.Helper()
	step, err := w.Password(w.t.Context(), p.login, good)
	if err != nil {
		w.t.Fatal(err)
	}
	session, err := w.Code(w.t.Context(), step, w.code(p), b)
	if err != nil {
		w.t.Fatal(err)
	}
	w.later(time.Minute)
	return session
}

func (w *world) is(err error, code vaccination.Code, what string) {
	w.t.Helper()
	if vaccination.ErrorCode(err) != code {
		w.t.Errorf("%s: %v, want %q", what, err, code)
	}
}

// alive says whether a session is one.
func (w *world) alive(session string) bool {
	w.t.Helper()
	_, err := w.Session(w.t.Context(), session)
	if err != nil && vaccination.ErrorCode(err) != vaccination.Unauthorized {
		w.t.Fatal(err)
	}
	return err == nil
}

// at is the session of somebody who just proved who they are.
func (w *world) at(session string) Session {
	w.t.Helper()
	x, err := w.Session(w.t.Context(), session)
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

// acts are the acts in the audit of staff, oldest first, with object and detail.
func (w *world) acts() (out []string) {
	w.t.Helper()
	rows, err := w.Store.Pool().Query(context.Background(), "SELECT actor || ' ' || act || ' ' || object || ' ' || detail FROM audit ORDER BY chain, seq")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var a string
		if err := rows.Scan(&a); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, strings.TrimSpace(a))
	}
	if rows.Err() != nil {
		w.t.Fatal(rows.Err())
	}
	return out
}
