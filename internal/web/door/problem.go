// Package door is what every way into the server shares: who is calling, how an
// error is told, what is logged and measured.
package door

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

// Status is the one place where an error becomes an HTTP status.
func Status(code vaccination.Code) int {
	switch code {
	case "":
		return http.StatusOK
	case vaccination.Invalid:
		return http.StatusUnprocessableEntity
	case vaccination.Conflict:
		return http.StatusConflict
	case vaccination.NotFound:
		return http.StatusNotFound
	case vaccination.Unauthorized:
		return http.StatusUnauthorized
	case vaccination.Forbidden:
		return http.StatusForbidden
	case vaccination.Revoked:
		return http.StatusGone
	case vaccination.TooLarge:
		return http.StatusRequestEntityTooLarge
	case vaccination.NotAllowed:
		return http.StatusMethodNotAllowed
	case vaccination.TooMany:
		return http.StatusTooManyRequests
	case vaccination.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Public returns what may be said of err to whoever asked: the error itself
// where it is one of ours, else a sentence that tells nothing, after the cause
// went to the log. item is the number of the event at fault, -1 for none.
func Public(log *slog.Logger, err error) (e *vaccination.Error, item int) {
	item = -1
	var of *issuance.ItemError
	if errors.As(err, &of) {
		item = of.Item
	}
	switch {
	case errors.As(err, &e):
		return e, item
	case errors.Is(err, context.Canceled):
		return vaccination.Errorf(vaccination.Unavailable, "the request was given up"), item // nobody hears it
	case registry.IsDown(err):
		log.Warn("the database did not answer", slog.String("error", err.Error()))
		return vaccination.Errorf(vaccination.Unavailable, "the database does not answer just now: send the same request again in a moment; what was done already is not done twice"), item
	}
	log.Error("request failed", slog.String("error", err.Error()))
	return vaccination.Errorf(vaccination.Internal, "something went wrong on our side; nothing was changed unless a later look shows it; try again"), item
}

// Problem is an error on the wire (RFC 9457). Faults extends it: each names the
// field and, in a request of many, the item.
type Problem struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail,omitempty"`
	Code   string  `json:"code"`
	Item   *int    `json:"item,omitempty"`
	Faults []Fault `json:"faults,omitempty"`
}

// Fault is one fault of a request.
type Fault = vaccination.Fault

// NewProblem turns err into what is sent.
func NewProblem(log *slog.Logger, err error) *Problem {
	e, item := Public(log, err)
	status := Status(e.Code)
	p := &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Message, Code: string(e.Code), Faults: e.Faults}
	if item >= 0 {
		p.Item = &item
	}
	return p
}

// Error is the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is RFC 9457's.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// WriteProblem answers a request with err.
func WriteProblem(w http.ResponseWriter, log *slog.Logger, err error) {
	p := NewProblem(log, err)
	WriteJSON(w, p.Status, p.ContentType(""), p)
}

// WriteJSON answers a request with v. It is never kept by a cache.
func WriteJSON(w http.ResponseWriter, status int, contentType string, v any) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if after := RetryAfter(status); after != "" {
		w.Header().Set("Retry-After", after)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client went away
}

// RetryAfter is the header of that name for an answer of status: seconds, or
// nothing where asking again does not help.
func RetryAfter(status int) string {
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		return "1"
	}
	return ""
}
