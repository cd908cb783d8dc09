package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/intake"
)

// SourceName says which source.
type SourceName struct {
	Source string `path:"source" doc:"name of the source"`
}

type sourceOutput struct{ Body intake.SourceInfo }

type sourcesOutput struct {
	Body struct {
		Sources []intake.SourceInfo `json:"sources"`
	}
}

type newSourceInput struct{ Body intake.NewSource }

type settingsInput struct {
	SourceName
	Body intake.Settings
}

type pauseInput struct {
	SourceName
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"shown with the source, and kept in the audit"`
	}
}

type testOutput struct{ Body intake.Tested }

// MappingBody is the text of a mapping.
type MappingBody struct {
	Version int    `json:"version" doc:"of this source's mapping; 0 is that of its kind"`
	Text    string `json:"text" doc:"YAML"`
}

type mappingInput struct {
	SourceName
	Body struct {
		Text string `json:"text" minLength:"1" doc:"YAML"`
	}
}

// sources adds the operations of who runs the systems that deliver.
func (h *handler) sources(api huma.API) {
	show := func(ctx context.Context, name string, err error) (*sourceOutput, error) {
		if err != nil {
			return nil, h.problem(err)
		}
		i, err := h.Intake.Get(ctx, caller(ctx), name)
		return &sourceOutput{i}, h.problem(err)
	}
	huma.Register(api, h.operation("listSources", http.MethodGet, "/sources", "List the systems that deliver, with their state and their ledger", 422, 500),
		func(ctx context.Context, _ *struct{}) (*sourcesOutput, error) {
			list, err := h.Intake.List(ctx, caller(ctx))
			out := &sourcesOutput{}
			out.Body.Sources = list
			return out, h.problem(err)
		})
	op := h.operation("createSource", http.MethodPost, "/sources", "Create a source: its kind, settings, mapping and scope", 409)
	op.Description = "Settings with their credentials are sealed and never shown again. Test it before it matters: `POST /sources/{source}/test`."
	huma.Register(api, h.body(op), func(ctx context.Context, in *newSourceInput) (*sourceOutput, error) {
		return show(ctx, in.Body.Name, h.Intake.Create(ctx, caller(ctx), in.Body))
	})
	huma.Register(api, h.operation("getSource", http.MethodGet, "/sources/{source}", "Show one source", 404, 422, 500),
		func(ctx context.Context, in *SourceName) (*sourceOutput, error) { return show(ctx, in.Source, nil) })
	huma.Register(api, h.body(h.operation("setSource", http.MethodPut, "/sources/{source}", "Replace the settings of a source", 404, 409)),
		func(ctx context.Context, in *settingsInput) (*sourceOutput, error) {
			return show(ctx, in.Source, h.Intake.Set(ctx, caller(ctx), in.Source, in.Body))
		})
	op = h.operation("testSource", http.MethodPost, "/sources/{source}/test", "Ask a source whether it answers, and whether it has what its mapping names", 404, 422, 500)
	op.Description = "It also lists codes of the source that the mapping does not know yet."
	huma.Register(api, op, func(ctx context.Context, in *SourceName) (*testOutput, error) {
		t, err := h.Intake.Test(ctx, caller(ctx), in.Source)
		return &testOutput{t}, h.problem(err)
	})
	op = h.operation("pauseSource", http.MethodPost, "/sources/{source}/pause", "Pause a source: what it sends is stored and waits", 404)
	huma.Register(api, h.body(op), func(ctx context.Context, in *pauseInput) (*sourceOutput, error) {
		return show(ctx, in.Source, h.Intake.Pause(ctx, caller(ctx), in.Source, in.Body.Reason))
	})
	op = h.operation("resumeSource", http.MethodPost, "/sources/{source}/resume", "Resume a source, after testing it", 404, 422, 500)
	huma.Register(api, op, func(ctx context.Context, in *SourceName) (*sourceOutput, error) {
		return show(ctx, in.Source, h.Intake.Resume(ctx, caller(ctx), in.Source))
	})
	mapping := func(ctx context.Context, name string) (*struct{ Body MappingBody }, error) {
		i, err := h.Intake.Get(ctx, caller(ctx), name)
		if err != nil {
			return nil, h.problem(err)
		}
		text, err := h.Intake.MappingText(ctx, caller(ctx), name)
		return &struct{ Body MappingBody }{MappingBody{i.MappingVersion, text}}, h.problem(err)
	}
	huma.Register(api, h.operation("getMapping", http.MethodGet, "/sources/{source}/mapping", "Show a source's mapping", 404, 422, 500),
		func(ctx context.Context, in *SourceName) (*struct{ Body MappingBody }, error) {
			return mapping(ctx, in.Source)
		})
	op = h.operation("setMapping", http.MethodPut, "/sources/{source}/mapping", "Give a source a new version of its mapping", 404, 409)
	op.Description = "It is checked against the source first. What is held is looked at again by `POST /holds/decisions`."
	huma.Register(api, h.body(op), func(ctx context.Context, in *mappingInput) (*struct{ Body MappingBody }, error) {
		if _, err := h.Intake.SetMapping(ctx, caller(ctx), in.Source, in.Body.Text); err != nil {
			return nil, h.problem(err)
		}
		return mapping(ctx, in.Source)
	})
}
