package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

type subjectInput struct {
	Body struct {
		Certificate string `json:"certificate" doc:"one of the person's, to name them"`
	}
}

type subjectOutput struct {
	Body any
}

type erasureInput struct {
	Body struct {
		Certificate  string `json:"certificate" doc:"one of the person's, to name them"`
		Certificates string `json:"certificates,omitempty" enum:"keep,revoke" doc:"what becomes of those that stand; as the profile says when left out"`
		Reason       string `json:"reason" minLength:"1" maxLength:"200" doc:"kept in the audit; says nothing of the person"`
	}
}

type erasureDecision struct {
	ID   int64 `path:"erasure"`
	Body struct {
		Approve bool `json:"approve" doc:"true erases, for ever; false refuses"`
	}
}

type erasureState struct {
	ID           int64                     `json:"id"`
	Certificate  vaccination.CertificateID `json:"certificate"`
	Certificates string                    `json:"certificates" enum:"keep,revoke"`
	Reason       string                    `json:"reason"`
	Asked        time.Time                 `json:"asked"`
	AskedBy      string                    `json:"askedBy"`
	Ended        time.Time                 `json:"ended,omitzero" doc:"missing while it waits for a second person"`
	EndedBy      string                    `json:"endedBy,omitempty"`
	Done         bool                      `json:"done" doc:"erased; ended otherwise, it was refused"`
}

type erasuresOutput struct {
	Body struct {
		Erasures []erasureState `json:"erasures"`
	}
}

// subjects adds what the law promises people.
func (h *handler) subjects(api huma.API) {
	op := h.operation("exportPerson", http.MethodPost, "/people/exports", "Everything that is held on one person, and who saw it", 404)
	op.Description = "For that person. That it was taken is an entry of the audit, in it."
	huma.Register(api, h.body(op), func(ctx context.Context, in *subjectInput) (*subjectOutput, error) {
		if err := caller(ctx).Can(access.ErasePerson); err != nil {
			return nil, h.problem(err)
		}
		id, err := h.named(OneInput{ID: in.Body.Certificate})
		if err != nil {
			return nil, err
		}
		d, err := h.Subject.Export(ctx, caller(ctx), id)
		if err != nil {
			return nil, h.problem(err)
		}
		return &subjectOutput{d}, nil
	})
	op = h.operation("askErasure", http.MethodPost, "/people/erasures", "Ask that a person's data be destroyed", 404, 409, 422)
	op.Description = "Nothing happens until another administrator approves it."
	huma.Register(api, h.body(op), func(ctx context.Context, in *erasureInput) (*erasuresOutput, error) {
		if err := caller(ctx).Can(access.ErasePerson); err != nil {
			return nil, h.problem(err)
		}
		id, err := h.named(OneInput{ID: in.Body.Certificate})
		if err != nil {
			return nil, err
		}
		if _, err := h.Subject.Ask(ctx, caller(ctx), id, in.Body.Certificates, in.Body.Reason); err != nil {
			return nil, h.problem(err)
		}
		return h.erasures(ctx)
	})
	huma.Register(api, h.operation("listErasures", http.MethodGet, "/people/erasures", "List erasures, those that wait first"),
		func(ctx context.Context, _ *struct{}) (*erasuresOutput, error) { return h.erasures(ctx) })
	op = h.operation("decideErasure", http.MethodPost, "/people/erasures/{erasure}/decision", "Approve or refuse an erasure", 404, 409)
	op.Description = "Who asked for it cannot approve it. What is erased is gone for ever; certificates keep their id and state."
	huma.Register(api, h.body(op), func(ctx context.Context, in *erasureDecision) (*erasuresOutput, error) {
		if err := h.Subject.Decide(ctx, caller(ctx), in.ID, in.Body.Approve); err != nil {
			return nil, h.problem(err)
		}
		return h.erasures(ctx)
	})
}

func (h *handler) erasures(ctx context.Context) (*erasuresOutput, error) {
	list, err := h.Subject.Erasures(ctx, caller(ctx), 1000)
	out := &erasuresOutput{}
	out.Body.Erasures = make([]erasureState, len(list))
	for i, e := range list {
		out.Body.Erasures[i] = erasureState(e)
	}
	return out, h.problem(err)
}
