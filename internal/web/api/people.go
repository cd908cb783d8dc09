package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/vaccination"
)

type linkInput struct {
	Body struct {
		Certificates []string `json:"certificates" minItems:"2" maxItems:"2" doc:"one of each of the two people, to name them"`
		Reason       string   `json:"reason" minLength:"1" maxLength:"200" doc:"kept with the link; says nothing of a person"`
	}
}

type personLink struct {
	Certificate vaccination.CertificateID `json:"certificate" doc:"of the other person, to name them"`
	Made        time.Time                 `json:"made"`
	By          string                    `json:"by"`
	Reason      string                    `json:"reason"`
	Ended       time.Time                 `json:"ended,omitzero" doc:"missing while it stands"`
	EndedBy     string                    `json:"endedBy,omitempty"`
	EndReason   string                    `json:"endReason,omitempty"`
}

type linksOutput struct {
	Body struct {
		Links []personLink `json:"links"`
	}
}

// people adds the operations that say which people are one.
func (h *handler) people(api huma.API) {
	op := h.operation("mergePeople", http.MethodPost, "/people/merges", "Say that the people of two certificates are one", 404, 409)
	op.Description = "Pages and searches list their doses together. Certificates, ids and enrolment codes stay as they are. Merging again changes nothing."
	huma.Register(api, h.body(op), func(ctx context.Context, in *linkInput) (*linksOutput, error) {
		return h.changeLink(ctx, in, h.Service.Merge)
	})
	op = h.operation("unmergePeople", http.MethodPost, "/people/unmerges", "End the link between the people of two certificates", 404, 409)
	op.Description = "They are shown apart again. The link stays in the history of both."
	huma.Register(api, h.body(op), func(ctx context.Context, in *linkInput) (*linksOutput, error) {
		return h.changeLink(ctx, in, h.Service.Unmerge)
	})
	huma.Register(api, h.operation("listLinks", http.MethodGet, "/certificates/{id}/links", "List the links that the person of a certificate has and had", 404),
		func(ctx context.Context, in *OneInput) (*linksOutput, error) {
			id, err := h.named(*in)
			if err != nil {
				return nil, err
			}
			return h.links(ctx, id)
		})
}

// changeLink makes or ends a link and answers with those of the first person.
func (h *handler) changeLink(ctx context.Context, in *linkInput, do func(context.Context, access.Caller, vaccination.CertificateID, vaccination.CertificateID, string) error) (*linksOutput, error) {
	if err := caller(ctx).Can(access.MergePeople); err != nil {
		return nil, h.problem(err)
	}
	var ids [2]vaccination.CertificateID
	for i, text := range in.Body.Certificates {
		id, err := h.named(OneInput{ID: text})
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	if err := do(ctx, caller(ctx), ids[0], ids[1], in.Body.Reason); err != nil {
		return nil, h.problem(err)
	}
	return h.links(ctx, ids[0])
}

func (h *handler) links(ctx context.Context, id vaccination.CertificateID) (*linksOutput, error) {
	list, err := h.Service.Links(ctx, caller(ctx), id)
	out := &linksOutput{}
	out.Body.Links = make([]personLink, len(list))
	for i, l := range list {
		out.Body.Links[i] = personLink(l)
	}
	return out, h.problem(err)
}
