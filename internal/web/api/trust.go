package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/trustlist"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// TrustSettings are what is set for a trust source.
type TrustSettings struct {
	Kind       trustlist.Kind `json:"kind" enum:"certificates,did,cards,masterlist,keys,divoc,hashes" doc:"what its lists are; it stays as it is"`
	URL        string         `json:"url,omitempty" maxLength:"500" doc:"https address of the list; left out for files alone"`
	Issuer     string         `json:"issuer,omitempty" maxLength:"300" doc:"whose keys a list holds that does not say"`
	IssuerName string         `json:"issuerName,omitempty" maxLength:"100" doc:"how verifiers show that issuer"`
	Anchors    string         `json:"anchors,omitempty" doc:"authorities and keys that vouch for the list, PEM"`
	EveryHours int            `json:"everyHours,omitempty" minimum:"0" maximum:"8760" doc:"how often its URL is asked by itself; 0 for never"`
	MaxLoss    *int           `json:"maxLoss,omitempty" minimum:"0" maximum:"100" doc:"per cent of its keys that a new list may lack; 20 when left out"`
}

// TrustSource is a source of whose signatures count.
type TrustSource struct {
	Name string `json:"name"`
	TrustSettings
	Version int64     `json:"version,omitempty" doc:"that counts; left out for none yet"`
	Keys    int       `json:"keys" doc:"of it"`
	Since   time.Time `json:"since,omitzero" doc:"when it was applied"`
	Seen    time.Time `json:"seen,omitzero" doc:"when the list was last found to be so"`
	Asked   time.Time `json:"asked,omitzero" doc:"when its URL was last asked"`
	Fault   string    `json:"fault,omitempty" doc:"what was wrong then; the list before stays"`
	Waiting int64     `json:"waiting,omitempty" doc:"version that waits to be looked at"`
}

// TrustVersion is one list of a source.
type TrustVersion struct {
	ID      int64     `json:"id"`
	Source  string    `json:"source"`
	State   string    `json:"state" enum:"waiting,current,applied" doc:"applied: it counted before, or does; current: it counts"`
	Issued  time.Time `json:"issued,omitzero" doc:"when its publisher made it"`
	Signed  bool      `json:"signed" doc:"by somebody whom the source's anchors vouch for"`
	Keys    int       `json:"keys"`
	Added   int       `json:"added"`
	Removed int       `json:"removed"`
	Changed int       `json:"changed"`
	LeftOut []string  `json:"leftOut,omitempty" doc:"what could not be used, and why"`
	Made    time.Time `json:"made"`
	By      string    `json:"by"`
	Decided time.Time `json:"decided,omitzero"`
	Decider string    `json:"decider,omitempty"`
}

// TrustKey is a key as people see it.
type TrustKey struct {
	Issuer      string        `json:"issuer" doc:"whose it is, as verifiers show it"`
	IssuerID    string        `json:"issuerId,omitempty" doc:"a DID or URL, where it has one"`
	Country     string        `json:"country,omitempty"`
	Key         string        `json:"key,omitempty" doc:"by which certificates call it"`
	Fingerprint string        `json:"fingerprint" doc:"SHA-256 of its public half, or of what it withdraws"`
	Usage       []trust.Usage `json:"usage,omitempty" doc:"what it may sign; everything when left out"`
	From        time.Time     `json:"from,omitzero"`
	Until       time.Time     `json:"until,omitzero"`
	Retired     time.Time     `json:"retired,omitzero"`
	Withdraws   int           `json:"withdraws,omitempty" doc:"certificates that this list withdraws, of that country or of the cards of that key: it is no key itself"`
}

// TrustChange is one line of a difference.
type TrustChange struct {
	What string    `json:"what" enum:"added,removed,changed"`
	Key  TrustKey  `json:"key"`
	Was  *TrustKey `json:"was,omitempty" doc:"of one that changed"`
}

// TrustName names a trust source in a path.
type TrustName struct {
	Source string `path:"source" maxLength:"40" doc:"name of the trust source"`
}

type trustID struct {
	Version int64 `path:"version" doc:"number of the version"`
}

type trustSourceOutput struct{ Body TrustSource }

type trustSourcesOutput struct {
	Body struct {
		Sources []TrustSource `json:"sources"`
	}
}

type trustSettingsInput struct {
	TrustName
	Body TrustSettings
}

type trustImportInput struct {
	TrustName
	Body struct {
		List string `json:"list,omitempty" doc:"the list as text: PEM, JSON, a key"`
		Data []byte `json:"data,omitempty" doc:"the list as it is, in base64: DER, CMS"`
	}
}

// TrustImport is what an import would change.
type TrustImport struct {
	Version   int64         `json:"version,omitempty" doc:"to apply it by; left out where nothing changes"`
	Unchanged bool          `json:"unchanged" doc:"it says what counts already"`
	Signed    bool          `json:"signed" doc:"by somebody whom the source's anchors vouch for"`
	Keys      int           `json:"keys"`
	LeftOut   []string      `json:"leftOut,omitempty" doc:"what could not be used, and why"`
	Changes   []TrustChange `json:"changes"`
}

type trustImportOutput struct{ Body TrustImport }

type trustVersionsOutput struct {
	Body struct {
		Versions []TrustVersion `json:"versions"`
	}
}

type trustVersionOutput struct {
	Body struct {
		TrustVersion
		Changes []TrustChange `json:"changes" doc:"against the version that counted before it, or counts"`
	}
}

type trustListOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func trustSource(s trustlist.Source) TrustSource {
	loss := s.MaxLoss
	return TrustSource{
		Name: s.Name, Version: s.Version, Keys: s.Keys, Since: s.Since, Seen: s.Seen, Asked: s.Asked, Fault: s.Fault, Waiting: s.Waiting,
		TrustSettings: TrustSettings{Kind: s.Kind, URL: s.URL, Issuer: s.Issuer, IssuerName: s.IssuerName, Anchors: s.Anchors, EveryHours: s.EveryHours, MaxLoss: &loss},
	}
}

func trustChanges(list []trustlist.Change) []TrustChange {
	out := make([]TrustChange, len(list))
	for i, c := range list {
		out[i] = TrustChange{What: c.What, Key: TrustKey(c.Key)}
		if c.Was != nil {
			was := TrustKey(*c.Was)
			out[i].Was = &was
		}
	}
	return out
}

func trustVersion(v trustlist.Version) TrustVersion {
	state := "applied"
	switch {
	case v.Waiting:
		state = "waiting"
	case v.Current:
		state = "current"
	}
	return TrustVersion{
		ID: v.ID, Source: v.Source, State: state, Issued: v.Issued, Signed: v.Signed, Keys: v.Keys, Added: v.Added, Removed: v.Removed, Changed: v.Changed,
		LeftOut: v.LeftOut, Made: v.Made, By: v.By, Decided: v.Decided, Decider: v.Decider,
	}
}

// trust adds the operations on whose signatures count beside ours.
func (h *handler) trust(api huma.API) {
	show := func(ctx context.Context, name string, err error) (*trustSourceOutput, error) {
		if err != nil {
			return nil, h.problem(err)
		}
		s, err := h.Trust.Source(ctx, caller(ctx), name)
		return &trustSourceOutput{trustSource(s)}, h.problem(err)
	}
	huma.Register(api, h.operation("listTrustSources", http.MethodGet, "/trust/sources", "List where it is said whose signatures count beside ours", 422, 500),
		func(ctx context.Context, _ *struct{}) (*trustSourcesOutput, error) {
			list, err := h.Trust.Sources(ctx, caller(ctx))
			out := &trustSourcesOutput{}
			out.Body.Sources = make([]TrustSource, len(list))
			for i, s := range list {
				out.Body.Sources[i] = trustSource(s)
			}
			return out, h.problem(err)
		})
	op := h.operation("putTrustSource", http.MethodPut, "/trust/sources/{source}", "Make a trust source, or change its settings", 404, 409)
	op.Description = "Nothing is trusted by it before a list is imported and applied."
	huma.Register(api, h.body(op), func(ctx context.Context, in *trustSettingsInput) (*trustSourceOutput, error) {
		b := in.Body
		set := trustlist.Settings{Name: in.Source, Kind: b.Kind, URL: b.URL, Issuer: b.Issuer, IssuerName: b.IssuerName, Anchors: b.Anchors, EveryHours: b.EveryHours, MaxLoss: trustlist.DefaultMaxLoss}
		if b.MaxLoss != nil {
			set.MaxLoss = *b.MaxLoss
		}
		return show(ctx, in.Source, h.Trust.Put(ctx, caller(ctx), set))
	})
	huma.Register(api, h.operation("removeTrustSource", http.MethodDelete, "/trust/sources/{source}", "End a trust source: nothing of it counts any more", 404, 422, 500),
		func(ctx context.Context, in *TrustName) (*struct{}, error) {
			return nil, h.problem(h.Trust.Remove(ctx, caller(ctx), in.Source))
		})
	op = h.operation("importTrust", http.MethodPost, "/trust/sources/{source}/imports", "Read a list of a trust source, and show what it would change", 404, 409)
	op.Description = "Without list and data the source's URL is asked. Nothing counts before it is applied. An older list than the one that counts, an empty one and one that lost too many keys are refused."
	huma.Register(api, h.body(op), func(ctx context.Context, in *trustImportInput) (*trustImportOutput, error) {
		data := in.Body.Data
		if in.Body.List != "" {
			if data != nil {
				return nil, h.problem(vaccination.Errorf(vaccination.Invalid, "send list or data, not both"))
			}
			data = []byte(in.Body.List)
		}
		p, err := h.Trust.Propose(ctx, caller(ctx), in.Source, data)
		if err != nil {
			return nil, h.problem(err)
		}
		return &trustImportOutput{TrustImport{Version: p.Version, Unchanged: p.Unchanged, Signed: p.Signed, Keys: p.Keys, LeftOut: p.LeftOut, Changes: trustChanges(p.Changes)}}, nil
	})
	huma.Register(api, h.operation("listTrustVersions", http.MethodGet, "/trust/sources/{source}/versions", "List the versions of a trust source, the newest first", 404, 422, 500),
		func(ctx context.Context, in *TrustName) (*trustVersionsOutput, error) {
			list, err := h.Trust.Versions(ctx, caller(ctx), in.Source)
			out := &trustVersionsOutput{}
			out.Body.Versions = make([]TrustVersion, len(list))
			for i, v := range list {
				out.Body.Versions[i] = trustVersion(v)
			}
			return out, h.problem(err)
		})
	op = h.operation("exportTrust", http.MethodGet, "/trust/sources/{source}/list", "What a trust source says now, as a trust bundle without signature", 404, 422, 500)
	op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}}}}}
	huma.Register(api, op, func(ctx context.Context, in *TrustName) (*trustListOutput, error) {
		data, err := h.Trust.Export(ctx, caller(ctx), in.Source)
		return &trustListOutput{"application/json", data}, h.problem(err)
	})
	version := func(ctx context.Context, id int64, err error) (*trustVersionOutput, error) {
		if err != nil {
			return nil, h.problem(err)
		}
		v, changes, err := h.Trust.Difference(ctx, caller(ctx), id)
		out := &trustVersionOutput{}
		out.Body.TrustVersion, out.Body.Changes = trustVersion(v), trustChanges(changes)
		return out, h.problem(err)
	}
	huma.Register(api, h.operation("getTrustVersion", http.MethodGet, "/trust/versions/{version}", "Show what a version of a trust source changes, or changed", 404, 422, 500),
		func(ctx context.Context, in *trustID) (*trustVersionOutput, error) {
			return version(ctx, in.Version, nil)
		})
	huma.Register(api, h.operation("applyTrust", http.MethodPost, "/trust/versions/{version}/application", "Let a version that waits count", 404, 409, 422, 500),
		func(ctx context.Context, in *trustID) (*trustVersionOutput, error) {
			return version(ctx, in.Version, h.Trust.Apply(ctx, caller(ctx), in.Version))
		})
	huma.Register(api, h.operation("revertTrust", http.MethodPost, "/trust/versions/{version}/reversion", "Go back to a version that counted before", 404, 409, 422, 500),
		func(ctx context.Context, in *trustID) (*trustVersionOutput, error) {
			return version(ctx, in.Version, h.Trust.Revert(ctx, caller(ctx), in.Version))
		})
}
