package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/audit"
)

type auditInput struct {
	From   time.Time `query:"from" doc:"not before this time"`
	Until  time.Time `query:"until" doc:"before this time"`
	Actor  string    `query:"actor" maxLength:"200" doc:"who, as entries name them: staff:3, token:7 commcare, intake:dhis2"`
	Act    string    `query:"act" maxLength:"200" doc:"what: issued, corrected, revoke, read, print, …"`
	Object string    `query:"object" maxLength:"200" doc:"about what: the id of a certificate, or another object as entries name it"`
	After  string    `query:"after" maxLength:"100" doc:"next of the page before"`
	Limit  int       `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

type auditOutput struct {
	Body struct {
		Entries []audit.Entry `json:"entries" doc:"the newest first"`
		Next    string        `json:"next,omitempty" doc:"where the next page begins; missing on the last"`
	}
}

type chainsOutput struct {
	Body struct {
		Chains []chainState `json:"chains"`
	}
}

type chainState struct {
	Chain   int16  `json:"chain" doc:"0 to 15 are groups of people, 16 is administration"`
	Entries int64  `json:"entries" doc:"so far"`
	Hash    string `json:"hash" doc:"of the last entry, hexadecimal"`
	CutAt   int64  `json:"cutAt" doc:"up to which entry those of who saw what were removed after their time; 0 for none"`
}

type alarmState struct {
	ID     int64      `json:"id"`
	Kind   audit.Kind `json:"kind" enum:"browsing,night,bulk"`
	Actor  string     `json:"actor"`
	Count  int        `json:"count"`
	Raised time.Time  `json:"raised"`
	Latest time.Time  `json:"latest" doc:"when it was seen last"`
	Closed time.Time  `json:"closed,omitzero" doc:"missing while it is open"`
	By     string     `json:"by,omitempty" doc:"who closed it"`
	Reason string     `json:"reason,omitempty"`
}

type alarmsInput struct {
	All bool `query:"all" doc:"also those that were closed"`
}

type alarmsOutput struct {
	Body struct {
		Alarms []alarmState `json:"alarms"`
	}
}

type closeInput struct {
	ID   int64 `path:"alarm"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"what was found; says nothing of a person"`
	}
}

// audit adds what auditors ask for.
func (h *handler) audit(api huma.API) {
	op := h.operation("searchAudit", http.MethodGet, "/audit", "Who did what to which record, when and why", 400, 422)
	op.Description = "Entries hold no value of a person. The search itself is an entry."
	huma.Register(api, op, func(ctx context.Context, in *auditInput) (*auditOutput, error) {
		from, err := audit.ParseCursor(in.After)
		if err != nil {
			return nil, h.problem(err)
		}
		entries, next, err := h.Audit.Search(ctx, caller(ctx), audit.Filter{From: in.From, Until: in.Until, Actor: in.Actor, Act: in.Act, Object: in.Object}, from, in.Limit)
		if err != nil {
			return nil, h.problem(err)
		}
		out := &auditOutput{}
		out.Body.Entries, out.Body.Next = entries, next.String()
		if entries == nil {
			out.Body.Entries = []audit.Entry{}
		}
		return out, nil
	})
	huma.Register(api, h.operation("auditChains", http.MethodGet, "/audit/chains", "How the chains of the audit stand"),
		func(ctx context.Context, _ *struct{}) (*chainsOutput, error) {
			states, err := h.Audit.Chains(ctx, caller(ctx))
			if err != nil {
				return nil, h.problem(err)
			}
			out := &chainsOutput{}
			for _, s := range states {
				out.Body.Chains = append(out.Body.Chains, chainState{s.Chain, s.Entries, hex.EncodeToString(s.Hash), s.CutAt})
			}
			return out, nil
		})
	huma.Register(api, h.operation("listAlarms", http.MethodGet, "/alarms", "What somebody has to look at"),
		func(ctx context.Context, in *alarmsInput) (*alarmsOutput, error) {
			list, err := h.Audit.Alarms(ctx, caller(ctx), !in.All, 1000)
			if err != nil {
				return nil, h.problem(err)
			}
			out := &alarmsOutput{}
			out.Body.Alarms = make([]alarmState, len(list))
			for i, a := range list {
				out.Body.Alarms[i] = alarmState(a)
			}
			return out, nil
		})
	op = h.operation("closeAlarm", http.MethodPost, "/alarms/{alarm}/close", "Say that somebody looked at an alarm", 404, 409, 422)
	op.Description = "Who was kept from opening records may open them again. Nobody closes an alarm about themselves."
	op.DefaultStatus = http.StatusNoContent
	huma.Register(api, h.body(op), func(ctx context.Context, in *closeInput) (*struct{}, error) {
		if err := caller(ctx).Can(access.ManageStaff); err != nil {
			return nil, h.problem(err)
		}
		return nil, h.problem(h.Audit.CloseAlarm(ctx, caller(ctx), in.ID, in.Body.Reason))
	})
}
