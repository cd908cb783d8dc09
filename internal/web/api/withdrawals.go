package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/bulk"
	"github.com/opendivoc/divoc/vaccination"
)

// InCommon is what certificates to withdraw have in common.
type InCommon struct {
	Lot       string    `json:"lot,omitempty" maxLength:"200" doc:"batch number"`
	Facility  string    `json:"facility,omitempty" maxLength:"200" doc:"name of the place of vaccination"`
	Source    string    `json:"source,omitempty" maxLength:"200" doc:"that delivered them"`
	Actor     string    `json:"actor,omitempty" maxLength:"200" doc:"who issued them, as the audit names them"`
	Programme string    `json:"programme,omitempty" maxLength:"200" doc:"key of the programme"`
	Since     time.Time `json:"since,omitzero" doc:"issued at this moment or later"`
	Until     time.Time `json:"until,omitzero" doc:"issued before this moment"`
}

// Withdrawal is what is known of a withdrawal of many certificates.
type Withdrawal struct {
	ID      int64           `json:"id"`
	Act     vaccination.Act `json:"act" enum:"revoke,suspend,lift"`
	Reason  string          `json:"reason"`
	Common  *InCommon       `json:"common,omitempty" doc:"missing for a list of ids"`
	State   bulk.State      `json:"state" enum:"looking,ready,approved,done,refused,expired" doc:"ready waits for a second person"`
	Looked  int64           `json:"looked" doc:"certificates that were looked at"`
	Found   int64           `json:"found" doc:"of these, that it is about"`
	Changed int64           `json:"changed" doc:"of these, done"`
	Skipped int64           `json:"skipped" doc:"that could not be changed"`
	By      string          `json:"by" doc:"who asked for it"`
	At      time.Time       `json:"at" doc:"when they did"`
	Ready   time.Time       `json:"ready,omitzero" doc:"when everything was found; it can be approved for a day"`
	Decider string          `json:"decider,omitempty" doc:"who approved or refused it"`
	Ended   time.Time       `json:"ended,omitzero"`
}

// Withdrawn is one certificate of a withdrawal.
type Withdrawn struct {
	Certificate vaccination.CertificateID `json:"certificate"`
	State       string                    `json:"state" enum:"waiting,changed,skipped"`
	Why         string                    `json:"why,omitempty" doc:"it was skipped"`
	Status      vaccination.Status        `json:"status,omitempty" doc:"of the certificate now"`
}

type withdrawalInput struct {
	Body struct {
		Act          vaccination.Act `json:"act" enum:"revoke,suspend,lift"`
		Reason       string          `json:"reason" minLength:"1" maxLength:"150" doc:"kept with each certificate; says nothing of a person"`
		Certificates []string        `json:"certificates,omitempty" maxItems:"50000" doc:"these, or those that have something in common"`
		Common       *InCommon       `json:"common,omitempty" doc:"what they have in common"`
		Key          string          `json:"key" minLength:"1" maxLength:"100" doc:"makes a repeated request one"`
	}
}

type withdrawalID struct {
	ID int64 `path:"id" doc:"number of the withdrawal"`
}

type withdrawalOutput struct{ Body Withdrawal }

type withdrawalsInput struct {
	Before int64 `query:"before" doc:"only those with a smaller number"`
}

type withdrawalsOutput struct {
	Body struct {
		Withdrawals []Withdrawal `json:"withdrawals"`
	}
}

type withdrawnInput struct {
	withdrawalID
	After string `query:"after" doc:"only certificates behind this one"`
}

type withdrawnOutput struct {
	Body struct {
		Certificates []Withdrawn `json:"certificates"`
	}
}

type approveInput struct {
	withdrawalID
	Body struct {
		Found int64 `json:"found" minimum:"1" doc:"how many certificates you saw: of another number nothing is done"`
	}
}

type refuseInput struct {
	withdrawalID
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"150" doc:"says nothing of a person"`
	}
}

func withdrawalOf(i bulk.Info) Withdrawal {
	w := Withdrawal{
		ID: i.ID, Act: i.Act, Reason: i.Reason, State: i.State, Looked: i.Looked, Found: i.Found, Changed: i.Changed, Skipped: i.Skipped,
		By: i.By, At: i.At, Ready: i.Ready, Decider: i.Decider, Ended: i.Ended,
	}
	if i.Filter != nil {
		common := InCommon(*i.Filter)
		w.Common = &common
	}
	return w
}

// withdrawals adds the operations on many certificates at once.
func (h *handler) withdrawals(api huma.API) {
	show := func(ctx context.Context, id int64, err error) (*withdrawalOutput, error) {
		if err != nil {
			return nil, h.problem(err)
		}
		i, err := h.Bulk.Get(ctx, caller(ctx), id)
		if err != nil {
			return nil, h.problem(err)
		}
		return &withdrawalOutput{withdrawalOf(i)}, nil
	}
	op := h.operation("askWithdrawal", http.MethodPost, "/withdrawals", "Ask that many certificates are revoked, suspended or lifted", 409)
	op.Description = "They are searched for first; nothing changes until somebody else approves it, within a day."
	huma.Register(api, h.body(op), func(ctx context.Context, in *withdrawalInput) (*withdrawalOutput, error) {
		b := in.Body
		r := bulk.Request{Act: b.Act, Reason: b.Reason, Once: b.Key}
		if b.Common != nil {
			f := bulk.Filter(*b.Common)
			r.Filter = &f
		}
		for _, text := range b.Certificates {
			id, err := h.named(OneInput{ID: text})
			if err != nil {
				return nil, err
			}
			r.IDs = append(r.IDs, id)
		}
		id, err := h.Bulk.Ask(ctx, caller(ctx), r)
		return show(ctx, id, err)
	})
	huma.Register(api, h.operation("listWithdrawals", http.MethodGet, "/withdrawals", "List withdrawals of many certificates, the newest first", 422, 500),
		func(ctx context.Context, in *withdrawalsInput) (*withdrawalsOutput, error) {
			list, err := h.Bulk.List(ctx, caller(ctx), in.Before)
			out := &withdrawalsOutput{}
			out.Body.Withdrawals = make([]Withdrawal, len(list))
			for i, w := range list {
				out.Body.Withdrawals[i] = withdrawalOf(w)
			}
			return out, h.problem(err)
		})
	huma.Register(api, h.operation("getWithdrawal", http.MethodGet, "/withdrawals/{id}", "Show how far a withdrawal is", 404, 422, 500),
		func(ctx context.Context, in *withdrawalID) (*withdrawalOutput, error) { return show(ctx, in.ID, nil) })
	huma.Register(api, h.operation("listWithdrawn", http.MethodGet, "/withdrawals/{id}/certificates", "List the certificates of a withdrawal, at most 500 at once", 404, 422, 500),
		func(ctx context.Context, in *withdrawnInput) (*withdrawnOutput, error) {
			var after vaccination.CertificateID
			if in.After != "" {
				var err error
				if after, err = h.named(OneInput{ID: in.After}); err != nil {
					return nil, err
				}
			}
			if _, err := h.Bulk.Get(ctx, caller(ctx), in.ID); err != nil {
				return nil, h.problem(err)
			}
			list, err := h.Bulk.Items(ctx, caller(ctx), in.ID, after)
			out := &withdrawnOutput{}
			out.Body.Certificates = make([]Withdrawn, len(list))
			for i, x := range list {
				out.Body.Certificates[i] = Withdrawn{x.ID, x.State, x.Why, x.Status}
			}
			return out, h.problem(err)
		})
	op = h.operation("approveWithdrawal", http.MethodPost, "/withdrawals/{id}/approval", "Approve a withdrawal that somebody else asked for", 404, 409)
	huma.Register(api, h.body(op), func(ctx context.Context, in *approveInput) (*withdrawalOutput, error) {
		return show(ctx, in.ID, h.Bulk.Approve(ctx, caller(ctx), in.ID, in.Body.Found))
	})
	op = h.operation("refuseWithdrawal", http.MethodPost, "/withdrawals/{id}/refusal", "Refuse a withdrawal, or take back one's own", 404, 409)
	huma.Register(api, h.body(op), func(ctx context.Context, in *refuseInput) (*withdrawalOutput, error) {
		return show(ctx, in.ID, h.Bulk.Refuse(ctx, caller(ctx), in.ID, in.Body.Reason))
	})
}
