package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opendivoc/divoc/credential/jcs"
	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Path is where statements of heads are published: the list of them, and each
// below it by number.
const Path = "/audit/heads"

// StatementType is the form of a statement; another form has another number.
const StatementType = "divoc-audit-heads/1"

// maxStatement bounds a statement, in bytes.
const maxStatement = 64 << 10

// Head is the end of one chain.
type Head struct {
	Chain int16  `json:"chain"` // 0 to 15 are groups of buckets, 16 is administration
	Seq   int64  `json:"seq"`   // entries so far
	Hash  string `json:"hash"`  // of the last one, hexadecimal
}

// Statement says where all chains ended at one moment. It is signed with the
// issuer's document key: Ed25519 over [StatementType], a line feed, and the
// canonical JSON (RFC 8785) of everything but "proof". Each names the one before
// it, so that who keeps some of them sees whether one was left out or replaced.
type Statement struct {
	Type     string    `json:"type"`
	Issuer   string    `json:"issuer"` // DID
	Number   int64     `json:"number"` // counted from 1; begins again where a backup was restored
	At       time.Time `json:"at"`
	Previous string    `json:"previous,omitempty"` // SHA-256 of the text of the one before, hexadecimal
	Chains   []Head    `json:"chains"`
	Proof    Proof     `json:"proof"`
}

// Proof is who signed a statement.
type Proof struct {
	Key       string `json:"key"`       // verification method
	Signature string `json:"signature"` // base64url without padding
}

// message is what is signed.
func (s Statement) message() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	v, err := jcs.Parse(text)
	if err != nil {
		return nil, err
	}
	return v.Without("proof").Append([]byte(StatementType + "\n")), nil
}

// ParseStatement reads a statement. What has another form is
// [vaccination.Invalid]; who signed it is for [Statement.Verify] to say.
func ParseStatement(text []byte) (*Statement, error) {
	wrong := func(why string) (*Statement, error) {
		return nil, vaccination.Errorf(vaccination.Invalid, "this is no statement of audit heads: %s", why)
	}
	if len(text) > maxStatement {
		return wrong("it is too large")
	}
	if _, err := jcs.Parse(bytes.TrimSpace(text)); err != nil { // also refuses what is said twice
		return wrong("it is not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	s := &Statement{}
	if err := d.Decode(s); err != nil {
		return wrong("a member is unknown or of the wrong kind")
	}
	if s.Type != StatementType || s.Number < 1 || s.Issuer == "" || s.At.IsZero() || len(s.Chains) != registry.AdminChain+1 {
		return wrong("type, issuer, number, time or chains are missing")
	}
	for i, h := range s.Chains {
		hash, err := hex.DecodeString(h.Hash)
		if int(h.Chain) != i || h.Seq < 0 || err != nil || len(hash) != sha256.Size {
			return wrong(fmt.Sprintf("its chain %d cannot be read", i))
		}
	}
	return s, nil
}

// Verify says whether one of an issuer's keys signed the statement.
func (s *Statement) Verify(issuer trust.Issuer) error {
	wrong := vaccination.Errorf(vaccination.Invalid, "statement %d is not signed by this issuer", s.Number)
	sig, err := base64.RawURLEncoding.Strict().DecodeString(s.Proof.Signature)
	if err != nil || s.Issuer != issuer.ID {
		return wrong
	}
	message, err := s.message()
	if err != nil {
		return err
	}
	if !signedBy(issuer, s.Proof.Key, message, sig) {
		return wrong
	}
	return nil
}

func signedBy(issuer trust.Issuer, method string, message, sig []byte) bool {
	for _, k := range issuer.Keys {
		if public, ok := k.Public.(ed25519.PublicKey); ok && k.ID == method && len(sig) == ed25519.SignatureSize && ed25519.Verify(public, message, sig) {
			return true
		}
	}
	return false
}

// Send gives a statement to the auditor, in the transaction that notes it as
// given.
type Send func(ctx context.Context, q *query.Queries, number int64, text []byte) error

// Published is one statement as it is stored.
type Published struct {
	Number int64
	At     time.Time
	Hash   []byte // SHA-256 of Text
	Text   []byte // exactly as it was signed; not in lists
}

// statementEvery is how often a statement is made by itself.
const statementEvery = 24 * time.Hour

// PublishDue makes a statement where the last one is a day old, and gives the
// auditor those that they were not given yet.
func (s *Service) PublishDue(ctx context.Context) error {
	last, err := s.Store.Read().LastStatement(ctx)
	// A little less than a day, or it would be made later each day.
	if age := s.Now().Sub(last.MadeAt); registry.IsNone(err) || err == nil && (age >= statementEvery-10*time.Minute || age < 0) {
		_, err = s.Publish(ctx, access.System("audit"))
	}
	if err != nil {
		return err
	}
	return s.sendDue(ctx)
}

// Publish makes a statement of where all chains end now, and returns it as it is
// published. The act itself is the last entry that it covers. After a restore it
// is [vaccination.Unavailable], until that is reconciled.
func (s *Service) Publish(ctx context.Context, by access.Caller) (p Published, err error) {
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		if hold, err := registry.ReadHold(ctx, q); err != nil {
			return err
		} else if hold != nil {
			return vaccination.Errorf(vaccination.Unavailable, "this service was restored from a backup and does not know yet what was published after it: run \"divoc restore --reconcile\" first")
		}
		if _, err := q.LockAuditChain(ctx, registry.AdminChain); err != nil { // one at a time
			return err
		}
		last, err := q.LastStatement(ctx)
		if err != nil && !registry.IsNone(err) {
			return err
		}
		now := s.Now().UTC().Truncate(time.Microsecond)
		st := Statement{Type: StatementType, Issuer: s.Keys.Issuer().ID, Number: last.Number + 1, At: now}
		if last.Number > 0 {
			st.Previous = hex.EncodeToString(last.Hash)
		}
		if err := registry.Audit(ctx, q, now, by.Actor, registry.Entry{Chain: registry.AdminChain, Act: "audit.heads", Object: fmt.Sprintf("heads %d", st.Number)}); err != nil {
			return err
		}
		heads, err := q.AuditHeads(ctx)
		if err != nil {
			return err
		}
		for _, h := range heads {
			st.Chains = append(st.Chains, Head{h.ID, h.AuditSeq, hex.EncodeToString(h.AuditHead)})
		}
		if p, err = s.sign(st); err != nil {
			return err
		}
		return q.InsertStatement(ctx, query.InsertStatementParams{Number: p.Number, MadeAt: p.At, Hash: p.Hash, Text: p.Text})
	})
	return p, err
}

func (s *Service) sign(st Statement) (Published, error) {
	key := s.Keys.Document()
	st.Proof.Key = key.ID()
	message, err := st.message()
	if err != nil {
		return Published{}, err
	}
	sig, err := key.Sign(message)
	if err != nil {
		return Published{}, err
	}
	st.Proof.Signature = base64.RawURLEncoding.EncodeToString(sig)
	text, err := json.MarshalIndent(st, "", " ")
	if err != nil {
		return Published{}, err
	}
	text = append(text, '\n')
	sum := sha256.Sum256(text)
	return Published{Number: st.Number, At: st.At, Hash: sum[:], Text: text}, nil
}

// sendDue gives the auditor what they were not given yet, each once.
func (s *Service) sendDue(ctx context.Context) error {
	if s.Send == nil {
		return nil
	}
	rows, err := s.Store.Read().StatementsUnsent(ctx, 100)
	if err != nil {
		return err
	}
	for _, r := range rows {
		err := s.Store.Tx(ctx, func(q *query.Queries) error {
			if err := q.StatementSent(ctx, query.StatementSentParams{Number: r.Number, At: s.Now().UTC()}); err != nil {
				return err
			}
			return s.Send(ctx, q, r.Number, r.Text)
		})
		if err != nil {
			return fmt.Errorf("giving statement %d to the auditor: %w", r.Number, err)
		}
	}
	return nil
}

// Statement returns a published statement, the newest where number is 0. None is
// [vaccination.NotFound].
func (s *Service) Statement(ctx context.Context, number int64) (Published, error) {
	get := func() (query.AuditStatement, error) {
		if number == 0 {
			return s.Store.Read().LastStatement(ctx)
		}
		return s.Store.Read().StatementByNumber(ctx, number)
	}
	r, err := get()
	if registry.IsNone(err) {
		return Published{}, vaccination.Errorf(vaccination.NotFound, "there is no such statement of audit heads")
	}
	return Published{r.Number, r.MadeAt, r.Hash, r.Text}, err
}

// Statements lists the newest statements with numbers below before (0 for all),
// without their texts; at most max.
func (s *Service) Statements(ctx context.Context, before int64, max int) ([]Published, error) {
	if before <= 0 {
		before = 1<<63 - 1
	}
	rows, err := s.Store.Read().StatementsBefore(ctx, query.StatementsBeforeParams{Before: before, MaxRows: int32(max)})
	out := make([]Published, len(rows))
	for i, r := range rows {
		out[i] = Published{Number: r.Number, At: r.MadeAt, Hash: r.Hash}
	}
	return out, err
}
