package staff

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

// device is a passkey and the browser in front of it, with every part of an answer
// open to lies.
type device struct {
	t         testing.TB
	key       *ecdsa.PrivateKey
	id        []byte
	handle    []byte
	origin    string
	top       string // of a page that holds this one in a frame
	party     string
	kind      string // of the ceremony, when it is not the right one
	challenge string // when it is not the one asked
	flags     byte
	count     uint32
}

// Flags of authenticator data (Web Authentication, section 6.1).
const (
	present  = 0x01
	verified = 0x04
	attested = 0x40
)

func newDevice(t testing.TB) *device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		t.Fatal(err)
	}
	return &device{t: t, key: key, id: id, origin: "https://certificates.example.org", party: "certificates.example.org", flags: present | verified, count: 1}
}

// lying is the same passkey, once with a lie.
func (d *device) lying(lie func(*device)) *device {
	c := *d
	lie(&c)
	return &c
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (d *device) data(flags byte) []byte {
	hash := sha256.Sum256([]byte(d.party))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), d.count)
}

// asked reads the options that a browser is given.
func (d *device) asked(options any) (challenge string, handle []byte) {
	d.t.Helper()
	text, err := json.Marshal(options)
	if err != nil {
		d.t.Fatal(err)
	}
	var o struct {
		PublicKey struct {
			Challenge string
			User      struct{ ID string }
		}
	}
	if err := json.Unmarshal(text, &o); err != nil || o.PublicKey.Challenge == "" {
		d.t.Fatalf("%v in %s", err, text)
	}
	if handle, err = base64.RawURLEncoding.DecodeString(o.PublicKey.User.ID); err != nil {
		d.t.Fatal(err)
	}
	return o.PublicKey.Challenge, handle
}

func (d *device) client(kind, challenge string) []byte {
	said := map[string]any{"type": kind, "challenge": challenge, "origin": d.origin, "crossOrigin": d.top != ""}
	if d.top != "" {
		said["topOrigin"] = d.top
	}
	if d.kind != "" {
		said["type"] = d.kind
	}
	if d.challenge != "" {
		said["challenge"] = d.challenge
	}
	text, err := json.Marshal(said)
	if err != nil {
		d.t.Fatal(err)
	}
	return text
}

func (d *device) answer(response map[string]string) []byte {
	text, err := json.Marshal(map[string]any{"id": b64(d.id), "rawId": b64(d.id), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{}})
	if err != nil {
		d.t.Fatal(err)
	}
	return text
}

// create answers navigator.credentials.create.
func (d *device) create(options any) []byte {
	d.t.Helper()
	challenge, handle := d.asked(options)
	d.handle = handle
	point, err := d.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		d.t.Fatal(err)
	}
	key, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		d.t.Fatal(err)
	}
	data := append(d.data(d.flags|attested), make([]byte, 16)...) // no make and model
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(d.id))), d.id...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": append(data, key...)})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.answer(map[string]string{"clientDataJSON": b64(d.client("webauthn.create", challenge)), "attestationObject": b64(object)})
}

// get answers navigator.credentials.get.
func (d *device) get(options any) []byte {
	d.t.Helper()
	challenge, _ := d.asked(options)
	client, data := d.client("webauthn.get", challenge), d.data(d.flags)
	hash := sha256.Sum256(client)
	signed := sha256.Sum256(append(slices.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, d.key, signed[:])
	if err != nil {
		d.t.Fatal(err)
	}
	return d.answer(map[string]string{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(d.handle)})
}

// withPasskey is a new member with a passkey and nothing else.
func (w *world) withPasskey(login string, role access.Role) (id int64, d *device, session string) {
	w.t.Helper()
	id, link := w.invite(login, role, "")
	d = newDevice(w.t)
	options, step, err := w.AddFirstPasskey(w.t.Context(), link)
	if err != nil {
		w.t.Fatal(err)
	}
	if session, err = w.AcceptPasskey(w.t.Context(), link, step, "Ann's key", d.create(options), Browser{}); err != nil {
		w.t.Fatal(err)
	}
	return id, d, session
}

// touch signs in with a passkey; each touch counts.
func (w *world) touch(d *device) (session string, err error) {
	w.t.Helper()
	d.count++
	options, step, err := w.AskPasskey(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Passkey(w.t.Context(), step, d.get(options), Browser{})
}

func TestAPasskeyFromInvitationToTheLast(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	id, d, session := w.withPasskey("ann", access.SystemAdmin)
	if !w.alive(session) {
		t.Fatal("who accepted is not signed in")
	}
	session, err := w.touch(d)
	if err != nil || w.at(session).Member.ID != id {
		t.Fatalf("sign in: %v", err)
	}

	// Ten minutes later a proof is asked for once more, and a touch is one.
	w.later(2 * FreshFor)
	if w.at(session).Fresh() {
		t.Error("is fresh for ever")
	}
	options, step, err := w.AskPasskeyAgain(ctx, w.at(session))
	if err != nil {
		t.Fatal(err)
	}
	d.count++
	if session, err = w.Passkey(ctx, step, d.get(options), Browser{Old: session}); err != nil || !w.at(session).Fresh() {
		t.Fatalf("once more: %v", err)
	}

	// A second passkey; the same one twice is refused.
	second := newDevice(t)
	for i, key := range []*device{second, second, d} {
		options, step, err := w.AddPasskey(ctx, w.at(session))
		if err != nil {
			t.Fatal(err)
		}
		err = w.KeepPasskey(ctx, w.at(session), step, "", key.create(options))
		if i == 0 && err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			w.is(err, vaccination.Forbidden, "a passkey that is known")
		}
	}
	keys, err := w.Passkeys(ctx, id)
	if err != nil || len(keys) != 2 || keys[0].Name != "Ann's key" || keys[0].Used == nil || keys[1].Name != "Passkey 2" || keys[1].Used != nil {
		t.Errorf("passkeys: %+v, %v", keys, err)
	}
	if err := w.RemovePasskey(ctx, w.at(session), keys[0].ID); err != nil {
		t.Error(err)
	}
	if _, err := w.touch(d); vaccination.ErrorCode(err) != vaccination.Forbidden {
		t.Errorf("a passkey that was removed signs in: %v", err)
	}
	if _, err := w.touch(second); err != nil {
		t.Errorf("the other one: %v", err)
	}
	w.is(w.RemovePasskey(ctx, w.at(session), keys[1].ID), vaccination.Conflict, "the last way to sign in")

	if err := w.Deactivate(ctx, access.System("test"), id); err != nil {
		t.Fatal(err)
	}
	_, err = w.touch(second)
	w.is(err, vaccination.Forbidden, "an account that was deactivated")
	if acts := strings.Join(w.acts(), "\n"); strings.Count(acts, "staff:1 staff.factor.add 1 passkey") != 2 || strings.Count(acts, "staff:1 staff.factor.remove 1 passkey") != 1 {
		t.Errorf("audit: %s", acts)
	}
}

// lies are what neither a new passkey nor a sign-in may say.
func lies() map[string]func(*device) {
	return map[string]func(*device){
		"of another site":               func(d *device) { d.origin = "https://certificates.example.com" },
		"of a site below ours":          func(d *device) { d.origin = "https://more.certificates.example.org" },
		"of another port":               func(d *device) { d.origin += ":8443" },
		"not encrypted":                 func(d *device) { d.origin = "http://certificates.example.org" },
		"in a frame of another site":    func(d *device) { d.top = "https://example.com" },
		"for another site's name":       func(d *device) { d.party = "certificates.example.com" },
		"of another question":           func(d *device) { d.challenge = b64(make([]byte, 32)) },
		"of another kind":               func(d *device) { d.kind = "payment.get" },
		"without a finger or a PIN":     func(d *device) { d.flags = present },
		"with nobody there":             func(d *device) { d.flags = verified },
		"with nobody there, unverified": func(d *device) { d.flags = 0 },
	}
}

func TestAPasskeyIsNotMadeByALie(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, link := w.invite("ann", access.SystemAdmin, "")
	for why, lie := range lies() {
		options, step, err := w.AddFirstPasskey(ctx, link)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.AcceptPasskey(ctx, link, step, "", newDevice(t).lying(lie).create(options), Browser{})
		w.is(err, vaccination.Forbidden, why)
	}
	// What one link began ends with that link.
	_, other := w.invite("bob", access.SystemAdmin, "")
	options, step, err := w.AddFirstPasskey(ctx, other)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.AcceptPasskey(ctx, link, step, "", newDevice(t).create(options), Browser{})
	w.is(err, vaccination.Forbidden, "begun with another's link")
	// After all that the truth is believed.
	if options, step, err = w.AddFirstPasskey(ctx, link); err != nil {
		t.Fatal(err)
	}
	if _, err := w.AcceptPasskey(ctx, link, step, "", newDevice(t).create(options), Browser{}); err != nil {
		t.Errorf("the truth: %v", err)
	}
}

func TestNobodySignsInByALie(t *testing.T) {
	w := newWorld(t)
	_, ann, _ := w.withPasskey("ann", access.SystemAdmin)
	_, bob, _ := w.withPasskey("bob", access.Auditor)
	all := map[string]func(*device){
		"signed by another key":            func(d *device) { d.key = bob.key },
		"of somebody else's passkey":       func(d *device) { d.id = bob.id },
		"somebody else's, with their key":  func(d *device) { d.id, d.key = bob.id, bob.key },
		"of somebody else's account":       func(d *device) { d.handle = bob.handle },
		"of nobody's account":              func(d *device) { d.handle = make([]byte, len(d.handle)) },
		"of a new passkey's question":      func(d *device) { d.kind = "webauthn.create" },
		"with a counter that stands still": func(d *device) { d.count-- },
		"with a counter that went back":    func(d *device) { d.count -= 2 },
		"with a counter from nothing":      func(d *device) { d.count = 0 },
	}
	for why, lie := range lies() {
		all[why] = lie
	}
	for why, lie := range all {
		if _, err := w.touch(ann); err != nil {
			t.Fatalf("before %s: %v", why, err)
		}
		ann.count++
		options, step, err := w.AskPasskey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Passkey(t.Context(), step, ann.lying(lie).get(options), Browser{})
		w.is(err, vaccination.Forbidden, why)
		ann.count--
	}
	if _, err := w.touch(ann); err != nil {
		t.Errorf("the truth: %v", err)
	}
}

func TestAnAnswerOfAPasskeyCountsOnce(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, d, session := w.withPasskey("ann", access.SystemAdmin)
	options, step, err := w.AskPasskey(ctx)
	if err != nil {
		t.Fatal(err)
	}
	d.count++
	answer := d.get(options)
	if _, err := w.Passkey(ctx, step, answer, Browser{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Passkey(ctx, step, answer, Browser{}); err == nil {
		t.Error("the same answer signs in twice")
	}
	_, step, err = w.AskPasskey(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Passkey(ctx, step, answer, Browser{})
	w.is(err, vaccination.Forbidden, "an old answer to a new question")

	// A question counts once too, with a wrong answer, and not for long.
	for why, spoil := range map[string]func(step string, options any){
		"answered wrongly before": func(step string, options any) {
			wrong := d.lying(func(d *device) { d.origin = "https://example.com" })
			if _, err := w.Passkey(ctx, step, wrong.get(options), Browser{}); err == nil {
				t.Error("a lie was believed")
			}
		},
		"too long ago": func(string, any) { w.later(stepLife + 1) },
	} {
		if options, step, err = w.AskPasskey(ctx); err != nil {
			t.Fatal(err)
		}
		spoil(step, options)
		d.count++
		if _, err := w.Passkey(ctx, step, d.get(options), Browser{}); err == nil {
			t.Errorf("a question %s", why)
		}
	}
	// Somebody else's touch renews nobody's session.
	_, other, _ := w.withPasskey("bob", access.SystemAdmin)
	if options, step, err = w.AskPasskeyAgain(ctx, w.at(session)); err != nil {
		t.Fatal(err)
	}
	other.count++
	_, err = w.Passkey(ctx, step, other.get(options), Browser{Old: session})
	w.is(err, vaccination.Forbidden, "somebody else's touch")
}
