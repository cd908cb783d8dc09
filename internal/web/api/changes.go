package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/vaccination"
)

// ReasonBody is why a certificate is changed.
type ReasonBody struct {
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"kept with the certificate; say nothing of the person"`
}

type changeInput struct {
	OneInput
	Body ReasonBody
}

type suspendInput struct {
	OneInput
	Body struct {
		ReasonBody
		Until *time.Time `json:"until,omitempty" doc:"when the suspension ends by itself, in whole seconds; it has no end when left out"`
	}
}

// reissueInput has a body that may be left out, as it could be from the start.
type reissueInput struct {
	OneInput
	Body *ReasonBody
}

type statusOutput struct {
	Body struct {
		Status vaccination.Status `json:"status" enum:"valid,suspended,superseded,revoked"`
	}
}

func timeOrNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// changes adds the operations that change a certificate's state.
func (h *handler) changes(api huma.API) {
	change := func(act vaccination.Act) func(context.Context, *changeInput) (*statusOutput, error) {
		return func(ctx context.Context, in *changeInput) (*statusOutput, error) {
			return h.change(ctx, in.OneInput, act, in.Body.Reason, nil)
		}
	}
	huma.Register(api, h.body(h.operation("revoke", http.MethodPost, "/certificates/{id}/revocation", "Revoke a certificate, for ever", 404, 409)), change(vaccination.ActRevoke))
	op := h.operation("suspend", http.MethodPost, "/certificates/{id}/suspension", "Suspend a certificate, for a time or until it is lifted", 404, 409)
	op.Description = "From `until` on the certificate is valid again by itself. Suspending a suspended certificate gives it another end and reason."
	huma.Register(api, h.body(op), func(ctx context.Context, in *suspendInput) (*statusOutput, error) {
		return h.change(ctx, in.OneInput, vaccination.ActSuspend, in.Body.Reason, in.Body.Until)
	})
	huma.Register(api, h.body(h.operation("lift", http.MethodPost, "/certificates/{id}/suspension/lift", "Lift the suspension of a certificate", 404, 409)), change(vaccination.ActLift))
	huma.Register(api, h.body(h.operation("reissue", http.MethodPost, "/certificates/{id}/reissue", "Issue a revoked certificate again, with the same content", 404, 409)),
		func(ctx context.Context, in *reissueInput) (*struct{ Body result }, error) {
			id, err := h.named(in.OneInput)
			if err != nil {
				return nil, err
			}
			reason := ""
			if in.Body != nil {
				reason = in.Body.Reason
			}
			r, err := h.Service.ReissueByID(ctx, caller(ctx), id, reason)
			if err != nil {
				return nil, h.problem(err)
			}
			return &struct{ Body result }{resultOf(r)}, nil
		})
}

func (h *handler) change(ctx context.Context, in OneInput, act vaccination.Act, reason string, until *time.Time) (*statusOutput, error) {
	id, err := h.named(in)
	if err != nil {
		return nil, err
	}
	out := &statusOutput{}
	if until != nil {
		out.Body.Status = vaccination.StatusSuspended
		err = h.Service.Suspend(ctx, caller(ctx), id, *until, reason)
	} else {
		out.Body.Status, err = h.Service.Change(ctx, caller(ctx), id, act, reason)
	}
	if err != nil {
		return nil, h.problem(err)
	}
	return out, nil
}
