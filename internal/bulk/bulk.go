// Package bulk withdraws, suspends and lifts many certificates at once: those of
// a list, or those that have something in common (a batch number, a place, who
// issued them, when). It is for a recalled batch and for certificates that
// somebody sold.
//
// A withdrawal is
//
//	looking   the certificates it is about are searched for; nothing is changed
//	ready     they are found, and can be looked at; it waits for a second person
//	approved  somebody else than who asked approved it; they are changed
//	done      every one is changed, or says why it could not be
//	refused   somebody refused it, or who asked took it back
//	expired   nobody approved it within a day
//
// Searching and changing are jobs in steps, each of which is one transaction that
// moves the withdrawal on, so that after a failure at any moment they go on behind
// the last step, and none is done twice.
package bulk

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// Options are what a Service needs; all are required.
type Options struct {
	Store    *registry.Store
	Issuance *issuance.Service
	Now      func() time.Time
	Log      *slog.Logger
}

// Service keeps withdrawals. It is safe for concurrent use.
type Service struct {
	Options
	// later puts the job that works on a withdrawal into the caller's transaction;
	// nil where the caller does the work itself.
	later func(ctx context.Context, tx pgx.Tx, id int64) error
}

// New returns a Service. It starts nothing.
func New(o Options) *Service { return &Service{Options: o} }

// State is where a withdrawal stands.
type State string

// The states.
const (
	Looking  State = "looking"
	Ready    State = "ready"
	Approved State = "approved"
	Done     State = "done"
	Refused  State = "refused"
	Expired  State = "expired"
)

// Open reports whether something is still to be done or decided.
func (s State) Open() bool { return s == Looking || s == Ready || s == Approved }

// Filter is what certificates have in common. What is not set is anything; time
// alone says what is meant where it has both ends.
type Filter struct {
	Lot       string    `json:"lot,omitempty" doc:"batch number"`
	Facility  string    `json:"facility,omitempty" doc:"name of the place of vaccination"`
	Source    string    `json:"source,omitempty" doc:"that delivered them"`
	Actor     string    `json:"actor,omitempty" doc:"who issued them, as the audit names them"`
	Programme string    `json:"programme,omitempty"`
	Since     time.Time `json:"since,omitzero" doc:"of their issue"`
	Until     time.Time `json:"until,omitzero" doc:"of their issue; before this moment"`
}

// Request asks for a withdrawal. It has either IDs or a Filter.
type Request struct {
	Act    vaccination.Act // revoke, suspend or lift
	IDs    []vaccination.CertificateID
	Filter *Filter
	Reason string // kept with each certificate and in the audit; says nothing of a person
	// Once makes a form that is sent twice one withdrawal.
	Once string
}

// Info is what is known of a withdrawal.
type Info struct {
	ID      int64           `json:"id"`
	Act     vaccination.Act `json:"act" enum:"revoke,suspend,lift"`
	Reason  string          `json:"reason"`
	Filter  *Filter         `json:"filter,omitempty" doc:"missing for a list of ids"`
	State   State           `json:"state" enum:"looking,ready,approved,done,refused,expired"`
	Looked  int64           `json:"looked" doc:"certificates that were looked at"`
	Found   int64           `json:"found" doc:"certificates it is about"`
	Changed int64           `json:"changed" doc:"of these, done"`
	Skipped int64           `json:"skipped" doc:"of these, that could not be changed"`
	By      string          `json:"by" doc:"who asked for it"`
	At      time.Time       `json:"at"`
	Ready   time.Time       `json:"ready,omitzero" doc:"when everything was found"`
	Decider string          `json:"decider,omitempty" doc:"who approved or refused it"`
	Decided time.Time       `json:"decided,omitzero"`
	Ended   time.Time       `json:"ended,omitzero"`
}

// Expires is until when it can be approved.
func (i Info) Expires() time.Time { return i.Ready.Add(patience) }

// Item is one certificate of a withdrawal.
type Item struct {
	ID        vaccination.CertificateID `json:"id"`
	State     string                    `json:"state" enum:"waiting,changed,skipped"`
	Why       string                    `json:"why,omitempty" doc:"it was skipped"`
	Status    vaccination.Status        `json:"status,omitempty" doc:"of the certificate now"`
	Programme string                    `json:"programme,omitempty"`
	Dose      int                       `json:"dose,omitempty"`
	Source    string                    `json:"source,omitempty"`
	Issued    time.Time                 `json:"issued,omitzero"`
}

const (
	// MaxIDs bounds a list of ids.
	MaxIDs = 50_000
	// patience is how long a withdrawal waits for a second person.
	patience  = 24 * time.Hour
	maxReason = 150
	maxValue  = 200
)

// Ask begins a withdrawal: what it is about is searched for, and nothing is
// changed. The same form again (Once) answers with the same one. The machine
// itself asks for none ([vaccination.Forbidden]): see [access.Caller.First].
func (s *Service) Ask(ctx context.Context, by access.Caller, r Request) (int64, error) {
	if err := by.Can(access.WithdrawMany); err != nil {
		return 0, err
	}
	if err := by.First(); err != nil {
		return 0, err
	}
	if err := r.check(); err != nil {
		return 0, err
	}
	filter := ""
	if r.Filter != nil {
		b, err := json.Marshal(r.Filter)
		if err != nil {
			return 0, err
		}
		filter = string(b)
	}
	var id int64
	err := s.Store.TxRaw(ctx, func(tx pgx.Tx, q *query.Queries) (err error) {
		now := s.Now().UTC()
		id, err = q.InsertWithdrawal(ctx, query.InsertWithdrawalParams{
			Once: by.Actor + " " + r.Once, Act: string(r.Act), Reason: r.Reason, Filter: filter, State: string(Looking), AskedBy: by.Actor, AskedAt: now,
		})
		if registry.IsNone(err) {
			row, err := q.WithdrawalOnce(ctx, by.Actor+" "+r.Once)
			id = row.ID
			return err
		}
		if err != nil {
			return err
		}
		detail := fmt.Sprintf("%s %d certificates of a list: %s", r.Act, len(r.IDs), r.Reason)
		if r.Filter != nil {
			detail = fmt.Sprintf("%s by %s: %s", r.Act, r.Filter, r.Reason)
		}
		if err := s.list(ctx, q, id, r); err != nil {
			return err
		}
		if err := s.audit(ctx, q, by.Actor, "withdrawal.ask", id, detail); err != nil {
			return err
		}
		return s.work(ctx, tx, id)
	})
	return id, err
}

// list writes the certificates of a list; how they stand is looked at by the job.
func (s *Service) list(ctx context.Context, q *query.Queries, id int64, r Request) error {
	if r.Filter != nil {
		return nil
	}
	_, err := q.InsertWithdrawalItems(ctx, itemParams(id, r.IDs, nil))
	return err
}

func itemParams(withdrawal int64, ids []vaccination.CertificateID, why []string) query.InsertWithdrawalItemsParams {
	p := query.InsertWithdrawalItemsParams{Withdrawal: withdrawal}
	for i, id := range ids {
		state, reason := waiting, ""
		if why != nil && why[i] != "" {
			state, reason = skipped, why[i]
		}
		p.Buckets, p.Ids = append(p.Buckets, int16(id.Bucket())), append(p.Ids, append([]byte{}, id[:]...))
		p.States, p.Whys = append(p.States, state), append(p.Whys, reason)
	}
	return p
}

// The states of items.
const (
	waiting = "waiting"
	changed = "changed"
	skipped = "skipped"
)

func (r Request) check() error {
	if r.Act != vaccination.ActRevoke && r.Act != vaccination.ActSuspend && r.Act != vaccination.ActLift {
		return vaccination.Errorf(vaccination.Invalid, "say what is to be done: revoke, suspend or lift")
	}
	if strings.TrimSpace(r.Reason) == "" || !line(r.Reason, maxReason) {
		return vaccination.Errorf(vaccination.Invalid, "say why, in one line of at most %d characters that says nothing of a person", maxReason)
	}
	if r.Once == "" || !line(r.Once, maxValue) {
		return vaccination.Errorf(vaccination.Invalid, "a name for this request is missing, so that it is done once")
	}
	if (r.Filter == nil) == (len(r.IDs) == 0) {
		return vaccination.Errorf(vaccination.Invalid, "say which certificates: a list of their ids, or what they have in common")
	}
	if r.Filter == nil {
		if len(r.IDs) > MaxIDs {
			return vaccination.Errorf(vaccination.TooLarge, "a list has at most %d ids: make several withdrawals", MaxIDs)
		}
		return nil
	}
	f := r.Filter
	if f.Lot == "" && f.Facility == "" && f.Source == "" && f.Actor == "" && (f.Since.IsZero() || f.Until.IsZero()) {
		return vaccination.Errorf(vaccination.Invalid, "say what they have in common: a batch number, a place, a source, who issued them, or from when until when they were issued")
	}
	for _, v := range []string{f.Lot, f.Facility, f.Source, f.Actor, f.Programme} {
		if !line(v, maxValue) {
			return vaccination.Errorf(vaccination.Invalid, "what certificates have in common is said in one line of at most %d characters", maxValue)
		}
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Until.After(f.Since) {
		return vaccination.Errorf(vaccination.Invalid, "the time ends before it begins")
	}
	return nil
}

func line(text string, most int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= most && !strings.ContainsFunc(text, unicode.IsControl)
}

// String says what is looked for, in words of the audit.
func (f *Filter) String() string {
	var parts []string
	for _, p := range []struct{ name, value string }{{"batch", f.Lot}, {"place", f.Facility}, {"source", f.Source}, {"actor", f.Actor}, {"programme", f.Programme}} {
		if p.value != "" {
			parts = append(parts, p.name+" "+p.value)
		}
	}
	if !f.Since.IsZero() {
		parts = append(parts, "since "+f.Since.UTC().Format(time.RFC3339))
	}
	if !f.Until.IsZero() {
		parts = append(parts, "until "+f.Until.UTC().Format(time.RFC3339))
	}
	return strings.Join(parts, ", ")
}

func (s *Service) audit(ctx context.Context, q *query.Queries, actor, act string, id int64, detail string) error {
	return registry.Audit(ctx, q, s.Now().UTC(), actor, registry.Entry{Chain: registry.AdminChain, Act: act, Object: fmt.Sprintf("withdrawal %d", id), Detail: detail})
}

func (s *Service) work(ctx context.Context, tx pgx.Tx, id int64) error {
	if s.later == nil {
		return nil
	}
	return s.later(ctx, tx, id)
}

func errNone() error {
	return vaccination.Errorf(vaccination.NotFound, "there is no such withdrawal")
}
