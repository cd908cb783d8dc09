package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/vaccination"
)

type messagesInput struct {
	State       []string `query:"state" doc:"queued, accepted, unknown, expired, failed or delivered; none for all"`
	Template    string   `query:"template" doc:"such as ready"`
	Certificate string   `query:"certificateId" doc:"only about this certificate"`
	Campaign    int64    `query:"campaign" minimum:"0"`
	Before      int64    `query:"before" minimum:"0" doc:"only older ones than this id, for the next page"`
	Max         int      `query:"max" default:"100" minimum:"1" maximum:"1000"`
}

type messagesOutput struct {
	Body struct {
		Messages []deliver.Stored `json:"messages"`
	}
}

// MessageID says which message.
type MessageID struct {
	Message int64 `path:"message" minimum:"1" doc:"id of the message"`
}

type resendInput struct {
	Body struct {
		Messages []int64 `json:"messages" minItems:"1" maxItems:"1000" doc:"ids of messages that did not arrive"`
	}
}

type suppressInput struct {
	Body struct {
		To     string `json:"to" minLength:"3" maxLength:"254" doc:"a number as people type it, or an e-mail address"`
		Reason string `json:"reason" enum:"opted-out,wrong-number,unreachable"`
		Lift   bool   `json:"lift,omitempty" doc:"send to it again"`
	}
}

type suppressionsOutput struct {
	Body struct {
		Counts map[deliver.Reason]int `json:"counts" doc:"how many get no messages, by reason"`
	}
}

type gatewaysOutput struct {
	Body struct {
		Gateways []deliver.GatewayInfo `json:"gateways"`
	}
}

// GatewayName says which gateway.
type GatewayName struct {
	Gateway string `path:"gateway" doc:"name of the gateway"`
}

type previewsOutput struct {
	Body struct {
		Previews []deliver.Preview `json:"previews"`
	}
}

type campaignOutput struct{ Body deliver.Campaign }

type campaignsOutput struct {
	Body struct {
		Campaigns []deliver.Campaign `json:"campaigns"`
	}
}

// CampaignID says which campaign.
type CampaignID struct {
	Campaign int64 `path:"campaign" minimum:"1" doc:"id of the campaign"`
}

// messages adds the operations of who runs the messages.
func (h *handler) messages(api huma.API) {
	huma.Register(api, h.operation("listMessages", http.MethodGet, "/messages", "List messages and what became of them, without anything of a person", 422, 500),
		func(ctx context.Context, in *messagesInput) (*messagesOutput, error) {
			q := deliver.Query{States: in.State, Template: in.Template, Campaign: in.Campaign, Before: in.Before, Max: in.Max}
			if in.Certificate != "" {
				id, err := vaccination.ParseCertificateID(in.Certificate)
				if err != nil {
					return nil, h.problem(vaccination.Errorf(vaccination.Invalid, "%s", err.Error()))
				}
				q.Certificate = id
			}
			list, err := h.Messages.List(ctx, caller(ctx), q)
			out := &messagesOutput{}
			out.Body.Messages = list
			return out, h.problem(err)
		})
	op := h.operation("getMessage", http.MethodGet, "/messages/{message}", "Open one message: its text, and the end of the number", 404, 422, 500)
	op.Description = "Each look is recorded. A code is not shown."
	huma.Register(api, op, func(ctx context.Context, in *MessageID) (*struct{ Body deliver.Opened }, error) {
		shown, err := h.Messages.Show(ctx, caller(ctx), in.Message)
		return &struct{ Body deliver.Opened }{shown}, h.problem(err)
	})
	op = h.operation("resendMessages", http.MethodPost, "/messages/resend", "Send again what did not arrive", 404, 409)
	huma.Register(api, h.body(op), func(ctx context.Context, in *resendInput) (*struct{}, error) {
		return nil, h.problem(h.Messages.Resend(ctx, caller(ctx), in.Body.Messages...))
	})
	op = h.operation("suppressNumber", http.MethodPost, "/messages/suppressions", "Send nothing to a number or address any more, or again", 404)
	op.Description = "Only its keyed hash is kept. Who opted out still gets the codes they ask for."
	huma.Register(api, h.body(op), func(ctx context.Context, in *suppressInput) (*struct{}, error) {
		return nil, h.problem(h.Messages.SuppressNumber(ctx, caller(ctx), in.Body.To, deliver.Reason(in.Body.Reason), in.Body.Lift))
	})
	huma.Register(api, h.operation("countSuppressions", http.MethodGet, "/messages/suppressions", "Count the numbers that get nothing, by reason", 422, 500),
		func(ctx context.Context, _ *struct{}) (*suppressionsOutput, error) {
			counts, err := h.Messages.Suppressed(ctx, caller(ctx))
			out := &suppressionsOutput{}
			out.Body.Counts = counts
			return out, h.problem(err)
		})
	huma.Register(api, h.operation("previewMessages", http.MethodGet, "/messages/previews", "Show every text in every language, with what it costs", 422, 500),
		func(ctx context.Context, _ *struct{}) (*previewsOutput, error) {
			list, err := h.Messages.Previews(caller(ctx))
			out := &previewsOutput{}
			out.Body.Previews = list
			return out, h.problem(err)
		})
	h.gateways(api)
	h.campaigns(api)
}

func (h *handler) gateways(api huma.API) {
	huma.Register(api, h.operation("listGateways", http.MethodGet, "/gateways", "List what carries messages, and whether it works", 422, 500),
		func(ctx context.Context, _ *struct{}) (*gatewaysOutput, error) {
			list, err := h.Messages.Gateways(ctx, caller(ctx))
			out := &gatewaysOutput{}
			out.Body.Gateways = list
			return out, h.problem(err)
		})
	pause := func(paused bool) func(context.Context, *GatewayName) (*struct{}, error) {
		return func(ctx context.Context, in *GatewayName) (*struct{}, error) {
			return nil, h.problem(h.Messages.PauseGateway(ctx, caller(ctx), in.Gateway, paused))
		}
	}
	huma.Register(api, h.operation("pauseGateway", http.MethodPost, "/gateways/{gateway}/pause", "Stop a gateway: what is queued waits", 404, 422, 500), pause(true))
	huma.Register(api, h.operation("resumeGateway", http.MethodPost, "/gateways/{gateway}/resume", "Let a gateway go on, at once", 404, 422, 500), pause(false))
}

func (h *handler) campaigns(api huma.API) {
	huma.Register(api, h.operation("listCampaigns", http.MethodGet, "/campaigns", "List campaigns, the newest first", 422, 500),
		func(ctx context.Context, _ *struct{}) (*campaignsOutput, error) {
			list, err := h.Messages.Campaigns(ctx, caller(ctx))
			out := &campaignsOutput{}
			out.Body.Campaigns = list
			return out, h.problem(err)
		})
	op := h.operation("createCampaign", http.MethodPost, "/campaigns", "Draft a campaign; whom it reaches and what it costs is counted beside")
	op.Description = "Look at the campaign until it is not counting any more. Nothing is sent until somebody else approves it."
	huma.Register(api, h.body(op), func(ctx context.Context, in *struct{ Body deliver.NewCampaign }) (*campaignOutput, error) {
		c, err := h.Messages.CreateCampaign(ctx, caller(ctx), in.Body)
		return &campaignOutput{c}, h.problem(err)
	})
	huma.Register(api, h.operation("approveCampaign", http.MethodPost, "/campaigns/{campaign}/approve", "Approve a campaign that somebody else made: it begins", 404, 409, 422, 500),
		func(ctx context.Context, in *CampaignID) (*struct{}, error) {
			return nil, h.problem(h.Messages.ApproveCampaign(ctx, caller(ctx), in.Campaign))
		})
	huma.Register(api, h.operation("stopCampaign", http.MethodPost, "/campaigns/{campaign}/stop", "Stop a campaign: what was not sent is not", 404, 409, 422, 500),
		func(ctx context.Context, in *CampaignID) (*struct{}, error) {
			return nil, h.problem(h.Messages.StopCampaign(ctx, caller(ctx), in.Campaign))
		})
}
