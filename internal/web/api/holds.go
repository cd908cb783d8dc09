package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/intake"
)

type holdsInput struct {
	Source   string `query:"source" doc:"only of this source"`
	Class    string `query:"class" doc:"only for this reason, such as unmapped-code"`
	Facility string `query:"facility" doc:"only of this place, by the source's id"`
	Field    string `query:"field" doc:"only about this field of the event, such as vaccination.product"`
	Days     int    `query:"days" minimum:"0" maximum:"3650" doc:"only what is held for at least so many days"`
	After    int64  `query:"after" doc:"only items behind this one"`
	Max      int    `query:"max" minimum:"0" maximum:"1000" doc:"at most so many, 100 when left out"`
}

func (in holdsInput) filter() intake.HoldFilter {
	return intake.HoldFilter{
		Source: in.Source, Class: intake.HoldClass(in.Class), Facility: in.Facility, Field: in.Field,
		Older: time.Duration(in.Days) * 24 * time.Hour, After: in.After, Max: in.Max,
	}
}

type holdsOutput struct {
	Body struct {
		Items []intake.Item `json:"items"`
	}
}

// ItemInput says which item.
type ItemInput struct {
	Item int64 `path:"item" doc:"number of the item"`
}

type shownOutput struct{ Body intake.Shown }

type decisionInput struct {
	Body struct {
		Action   intake.Action `json:"action" enum:"retry,release,merge,reject,revoke,keep"`
		Reason   string        `json:"reason,omitempty" maxLength:"200" doc:"needed to reject, merge, revoke and keep; says nothing of a person"`
		As       string        `json:"as,omitempty" doc:"to merge: a certificate of whom the person is one with, where the item has several candidates"`
		Items    []int64       `json:"items,omitempty" maxItems:"1000" doc:"these alone"`
		Source   string        `json:"source,omitempty" doc:"all that is held of this source, narrowed by what follows"`
		Class    string        `json:"class,omitempty"`
		Facility string        `json:"facility,omitempty"`
		Field    string        `json:"field,omitempty"`
	}
}

type decidedOutput struct{ Body intake.Decided }

type mapInput struct {
	ItemInput
	Body struct {
		Value string `json:"value" minLength:"1" doc:"what the code means, as an event has it"`
	}
}

type editInput struct {
	ItemInput
	Body struct {
		Field  string          `json:"field" minLength:"1" maxLength:"100" doc:"of the event, such as vaccination.lot"`
		Value  json.RawMessage `json:"value" doc:"as an event has it"`
		Reason string          `json:"reason,omitempty" maxLength:"200" doc:"says nothing of a person"`
	}
}

type reportInput struct {
	Source string `query:"source" doc:"only of this source"`
}

type reportOutput struct {
	Body struct {
		Reasons []intake.Age `json:"reasons"`
	}
}

// holds adds the operations about what waits for a person.
func (h *handler) holds(api huma.API) {
	huma.Register(api, h.operation("listHolds", http.MethodGet, "/holds", "List what is held, the oldest first", 422, 500),
		func(ctx context.Context, in *holdsInput) (*holdsOutput, error) {
			list, err := h.Intake.Holds(ctx, caller(ctx), in.filter())
			out := &holdsOutput{}
			out.Body.Items = list
			return out, h.problem(err)
		})
	huma.Register(api, h.operation("ageingReport", http.MethodGet, "/holds/report", "What is held by reason, facility and source, and for how long", 422, 500),
		func(ctx context.Context, in *reportInput) (*reportOutput, error) {
			list, err := h.Intake.Report(ctx, caller(ctx), in.Source)
			out := &reportOutput{}
			out.Body.Reasons = list
			return out, h.problem(err)
		})
	op := h.operation("showHold", http.MethodGet, "/holds/{item}", "Open what is held, with what the source said", 404, 422, 500)
	op.Description = "Each look is recorded in the audit."
	huma.Register(api, op, func(ctx context.Context, in *ItemInput) (*shownOutput, error) {
		shown, err := h.Intake.Show(ctx, caller(ctx), in.Item)
		return &shownOutput{shown}, h.problem(err)
	})
	op = h.operation("decideHolds", http.MethodPost, "/holds/decisions", "Decide what is held, one or many", 404, 409)
	op.Description = "`retry` looks at it again after something was mended. `release` issues what was over a limit, out of scope or like somebody else; `merge` issues what is the same person's as a candidate, and links the two. " +
		"`reject` ends it. `revoke` and `keep` are for certificates whose records the source deleted."
	huma.Register(api, h.body(op), func(ctx context.Context, in *decisionInput) (*decidedOutput, error) {
		b := in.Body
		f := intake.HoldFilter{IDs: b.Items, Source: b.Source, Class: intake.HoldClass(b.Class), Facility: b.Facility, Field: b.Field}
		d := intake.Decision{Action: b.Action, Reason: b.Reason}
		if b.As != "" {
			id, err := h.named(OneInput{ID: b.As})
			if err != nil {
				return nil, err
			}
			d.As = id
		}
		done, err := h.Intake.Decide(ctx, caller(ctx), f, d)
		return &decidedOutput{done}, h.problem(err)
	})
	op = h.operation("mapCode", http.MethodPost, "/holds/{item}/mapping", "Say what a code means that the mapping lacks", 404, 409)
	op.Description = "The source's mapping gets a new version, and everything that lacks the same code is looked at again."
	huma.Register(api, h.body(op), func(ctx context.Context, in *mapInput) (*decidedOutput, error) {
		done, err := h.Intake.Map(ctx, caller(ctx), in.Item, in.Body.Value)
		return &decidedOutput{done}, h.problem(err)
	})
	op = h.operation("editHold", http.MethodPost, "/holds/{item}/edits", "Correct a field of what is held", 404, 409)
	op.Description = "It holds for later states too, until the source says something else in this field. A field of the person counts for all their doses."
	huma.Register(api, h.body(op), func(ctx context.Context, in *editInput) (*decidedOutput, error) {
		done, err := h.Intake.Edit(ctx, caller(ctx), in.Item, in.Body.Field, in.Body.Value, in.Body.Reason)
		return &decidedOutput{done}, h.problem(err)
	})
	huma.Register(api, h.operation("traceCertificate", http.MethodGet, "/certificates/{id}/deliveries", "Which deliveries of a source a certificate comes from", 404, 422, 500),
		func(ctx context.Context, in *OneInput) (*holdsOutput, error) {
			id, err := h.named(*in)
			if err != nil {
				return nil, err
			}
			list, err := h.Intake.Trace(ctx, caller(ctx), id)
			out := &holdsOutput{}
			out.Body.Items = list
			return out, h.problem(err)
		})
}
