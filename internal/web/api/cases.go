package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/casework"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// TicketInput says which case.
type TicketInput struct {
	Ticket string `path:"ticket" doc:"ticket number, such as K7QM-2F9X-A3T9"`
}

type casesInput struct {
	State     string `query:"state" enum:"open,waiting-for-evidence,second-approval,approved,refused,withdrawn" doc:"all that are not decided when left out"`
	Kind      string `query:"kind" enum:"correction,contact,guardian,death,dose-abroad,not-mine"`
	Programme string `query:"programme"`
	Facility  string `query:"facility" doc:"where it was opened"`
	TakenBy   string `query:"takenBy" doc:"who works on it, as the audit names them"`
	Overdue   bool   `query:"overdue" doc:"only those later than was promised"`
	After     string `query:"after" doc:"only those behind this ticket"`
	Max       int    `query:"max" minimum:"0" maximum:"1000" doc:"at most so many, 100 when left out"`
}

type casesOutput struct {
	Body struct {
		Cases []casework.Summary `json:"cases"`
	}
}

type caseOutput struct{ Body casework.Case }

type openInput struct {
	Body struct {
		Kind        casework.Kind      `json:"kind" enum:"correction,contact,guardian,death,dose-abroad,not-mine"`
		Certificate string             `json:"certificate,omitempty" doc:"that it is about; only a dose abroad of somebody who has none is without"`
		Changes     []casework.Change  `json:"changes,omitempty" maxItems:"12" doc:"of a correction"`
		Contact     string             `json:"contact,omitempty" maxLength:"40" doc:"the new number, the guardian's, or the wrong one"`
		Name        string             `json:"name,omitempty" maxLength:"200" doc:"the guardian's"`
		Event       *vaccination.Event `json:"event,omitempty" doc:"the dose that was given abroad; the person where there is no certificate"`
		Message     string             `json:"message,omitempty" maxLength:"2000" doc:"in the person's own words"`
		Language    string             `json:"language,omitempty" maxLength:"35" doc:"of messages about the case"`
		Facility    string             `json:"facility,omitempty" maxLength:"100" doc:"where it is opened"`
		Key         string             `json:"key,omitempty" maxLength:"100" doc:"makes a repeated request one"`
	}
}

type openedOutput struct {
	Body struct {
		Ticket casework.Ticket `json:"ticket"`
	}
}

type photoInput struct {
	TicketInput
	RawBody []byte `contentType:"application/octet-stream"`
}

type photoOutput struct {
	Body struct {
		Number int `json:"number"`
	}
}

type photoNumber struct {
	TicketInput
	Number int `path:"number" doc:"number of the photograph"`
}

type previewInput struct {
	TicketInput
	Body struct {
		Changes []casework.Change `json:"changes,omitempty" maxItems:"12" doc:"in place of what was asked"`
	}
}

type previewOutput struct{ Body casework.Preview }

type caseDecisionInput struct {
	TicketInput
	Body struct {
		Action  string             `json:"action" enum:"take,ask,approve,refuse,withdraw,stop,end-guardian"`
		Note    string             `json:"note,omitempty" maxLength:"500" doc:"shown to the person; needed to ask and to refuse"`
		Changes []casework.Change  `json:"changes,omitempty" maxItems:"12" doc:"to approve: in place of what was asked"`
		Event   *vaccination.Event `json:"event,omitempty" doc:"to approve: the dose abroad, in place of what was asked"`
		Version string             `json:"version,omitempty" doc:"to approve: the certificate of the preview; where it is not the current one any more, nothing is done"`
	}
}

type stateOutput struct {
	Body struct {
		State casework.State `json:"state" enum:"open,waiting-for-evidence,second-approval,approved,refused,withdrawn"`
	}
}

// ticket reads the number of a case. One that is mistyped is one that there is
// not.
func (h *handler) ticket(in TicketInput) (casework.Ticket, error) {
	t, err := casework.ParseTicket(in.Ticket)
	if err != nil {
		return 0, h.problem(vaccination.Errorf(vaccination.NotFound, "there is no case with this ticket number"))
	}
	return t, nil
}

// cases adds the operations about what people ask for.
func (h *handler) cases(api huma.API) {
	op := h.operation("openCase", http.MethodPost, "/cases", "Open a case: a correction, another number, a guardian, a death, a dose abroad", 404, 409)
	op.Description = "The same request with the same `key` is answered with the same ticket."
	huma.Register(api, h.body(op), func(ctx context.Context, in *openInput) (*openedOutput, error) {
		b := in.Body
		r := casework.Request{
			Kind: b.Kind, Changes: b.Changes, Contact: b.Contact, Name: b.Name, Event: b.Event, Message: b.Message, Language: b.Language, Facility: b.Facility, Once: b.Key,
		}
		if b.Certificate != "" {
			id, err := h.named(OneInput{ID: b.Certificate})
			if err != nil {
				return nil, err
			}
			r.Certificate = id
		}
		out := &openedOutput{}
		var err error
		out.Body.Ticket, err = h.Cases.Open(ctx, caller(ctx), r)
		return out, h.problem(err)
	})
	huma.Register(api, h.operation("listCases", http.MethodGet, "/cases", "List cases by deadline, with nothing of a person", 404, 422, 500),
		func(ctx context.Context, in *casesInput) (*casesOutput, error) {
			f := casework.Filter{Kind: casework.Kind(in.Kind), Programme: in.Programme, Facility: in.Facility, TakenBy: in.TakenBy, Overdue: in.Overdue, Max: in.Max}
			if in.State != "" {
				f.States = []casework.State{casework.State(in.State)}
			}
			if in.After != "" {
				t, err := h.ticket(TicketInput{in.After})
				if err != nil {
					return nil, err
				}
				f.After = t
			}
			list, err := h.Cases.List(ctx, caller(ctx), f)
			out := &casesOutput{}
			out.Body.Cases = list
			return out, h.problem(err)
		})
	op = h.operation("getCase", http.MethodGet, "/cases/{ticket}", "Open a case, with what was asked and what was done", 404, 422, 500)
	op.Description = "Each look is recorded in the audit."
	huma.Register(api, op, func(ctx context.Context, in *TicketInput) (*caseOutput, error) {
		t, err := h.ticket(*in)
		if err != nil {
			return nil, err
		}
		c, err := h.Cases.Get(ctx, caller(ctx), t)
		if err != nil {
			return nil, h.problem(err)
		}
		return &caseOutput{*c}, nil
	})
	h.casePhotos(api)
	op = h.operation("previewCase", http.MethodPost, "/cases/{ticket}/preview", "Show what approving a correction would change", 404, 409)
	huma.Register(api, h.body(op), func(ctx context.Context, in *previewInput) (*previewOutput, error) {
		t, err := h.ticket(in.TicketInput)
		if err != nil {
			return nil, err
		}
		p, err := h.Cases.Preview(ctx, caller(ctx), t, in.Body.Changes)
		if err != nil {
			return nil, h.problem(err)
		}
		return &previewOutput{*p}, nil
	})
	op = h.operation("decideCase", http.MethodPost, "/cases/{ticket}/decisions", "Decide a case", 404, 409)
	op.Description = "`take` says that you work on it, `ask` asks the person for evidence. `approve` does what was asked in the same transaction: a correction becomes a new version and the person is told. " +
		"Who opened a case does not decide it, and name and birth date together are approved by two people: the first is answered `second-approval`. `stop` stops a change of number in the day before it takes effect."
	huma.Register(api, h.body(op), h.decideCase)
	huma.Register(api, h.operation("listCasesOf", http.MethodGet, "/certificates/{id}/cases", "List the cases about the person of a certificate, the newest first", 404),
		func(ctx context.Context, in *OneInput) (*casesOutput, error) {
			id, err := h.named(*in)
			if err != nil {
				return nil, err
			}
			list, err := h.Cases.OfCertificate(ctx, caller(ctx), id)
			out := &casesOutput{}
			out.Body.Cases = list
			return out, h.problem(err)
		})
}

func (h *handler) decideCase(ctx context.Context, in *caseDecisionInput) (*stateOutput, error) {
	t, err := h.ticket(in.TicketInput)
	if err != nil {
		return nil, err
	}
	by, b := caller(ctx), in.Body
	switch b.Action {
	case "take":
		err = h.Cases.Take(ctx, by, t)
	case "ask":
		err = h.Cases.Ask(ctx, by, t, b.Note)
	case "refuse":
		err = h.Cases.Refuse(ctx, by, t, b.Note)
	case "withdraw":
		err = h.Cases.Withdraw(ctx, by, t)
	case "stop":
		err = h.Cases.StopBy(ctx, by, t)
	case "end-guardian":
		err = h.Cases.EndGuardian(ctx, by, t)
	default:
		a := casework.Approval{Changes: b.Changes, Event: b.Event, Note: b.Note}
		if b.Version != "" {
			if a.Version, err = h.named(OneInput{ID: b.Version}); err != nil {
				return nil, err
			}
		}
		_, err = h.Cases.Approve(ctx, by, t, a)
	}
	if err != nil {
		return nil, h.problem(err)
	}
	now, err := h.Cases.Follow(ctx, t)
	out := &stateOutput{}
	out.Body.State = now.State
	return out, h.problem(err)
}

// casePhotos adds the operations on evidence.
func (h *handler) casePhotos(api huma.API) {
	op := h.operation("addEvidence", http.MethodPost, "/cases/{ticket}/evidence", "Add a photograph to a case: JPEG, PNG or WebP of at most 8 MB", 404, 409, 429)
	op.Description = "It is made anew from its pixels: nothing else of the file is kept."
	huma.Register(api, h.body(op), func(ctx context.Context, in *photoInput) (*photoOutput, error) {
		t, err := h.ticket(in.TicketInput)
		if err != nil {
			return nil, err
		}
		out := &photoOutput{}
		out.Body.Number, err = h.Cases.AddEvidence(ctx, caller(ctx), t, in.RawBody)
		return out, h.problem(err)
	})
	op = h.operation("getEvidence", http.MethodGet, "/cases/{ticket}/evidence/{number}", "Fetch a photograph of a case, to who decides it", 404, 422, 500)
	op.Description = "Each look is recorded in the audit. It comes as a file to be saved."
	op.Responses = map[string]*huma.Response{"200": {Description: "The photograph.", Content: map[string]*huma.MediaType{"image/jpeg": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}
	huma.Register(api, op, func(ctx context.Context, in *photoNumber) (*huma.StreamResponse, error) {
		t, err := h.ticket(in.TicketInput)
		if err != nil {
			return nil, err
		}
		data, err := h.Cases.Photo(ctx, caller(ctx), t, in.Number)
		if err != nil {
			return nil, h.problem(err)
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			for name, value := range door.Attachment(fmt.Sprintf("evidence-%s-%d.jpg", t, in.Number), "image/jpeg") {
				ctx.SetHeader(name, value)
			}
			_, _ = ctx.BodyWriter().Write(data) // the client went away
		}}, nil
	})
}
