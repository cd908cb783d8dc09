package auditor

import (
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/opendivoc/divoc/internal/audit"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// listed is one statement in the list that anybody may read.
type listed struct {
	Number int64     `json:"number"`
	At     time.Time `json:"at"`
	Hash   string    `json:"sha256"` // of the statement's text
	URL    string    `json:"url"`
}

// perList is how many statements are listed at once: a year of them.
const perList = 400

// Publish adds the statements of audit heads, which anybody may read and keep:
// they name nobody. Their use is that others keep them.
func Publish(mux door.Mux, a *audit.Service, publicURL string, log *slog.Logger) {
	public := func(w http.ResponseWriter, contentType string, keep time.Duration) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(keep.Seconds())))
		h.Set("Access-Control-Allow-Origin", "*")
	}
	mux.HandleFunc("GET "+audit.Path, func(w http.ResponseWriter, r *http.Request) {
		before, err := number(r.URL.Query().Get("before"))
		if err != nil {
			door.WriteProblem(w, log, err)
			return
		}
		list, err := a.Statements(r.Context(), before, perList)
		if err != nil {
			door.WriteProblem(w, log, err)
			return
		}
		out := struct {
			Type       string   `json:"type"`
			Statements []listed `json:"statements"`
			Next       string   `json:"next,omitempty"`
		}{Type: "divoc-audit-heads-list/1", Statements: []listed{}}
		for _, p := range list {
			out.Statements = append(out.Statements, listed{p.Number, p.At.UTC(), hex.EncodeToString(p.Hash), publicURL + audit.Path + "/" + strconv.FormatInt(p.Number, 10)})
		}
		if len(list) == perList {
			out.Next = publicURL + audit.Path + "?before=" + strconv.FormatInt(list[perList-1].Number, 10)
		}
		public(w, "application/json", 5*time.Minute)
		_ = json.NewEncoder(w).Encode(out) // the client went away
	})
	mux.HandleFunc("GET "+audit.Path+"/{number}", func(w http.ResponseWriter, r *http.Request) {
		n, keep := int64(0), 5*time.Minute
		if text := r.PathValue("number"); text != "latest" {
			var err error
			if n, err = number(text); err != nil || n == 0 {
				door.WriteProblem(w, log, vaccination.Errorf(vaccination.NotFound, "there is no such statement of audit heads"))
				return
			}
			keep = 365 * 24 * time.Hour // it never changes
		}
		p, err := a.Statement(r.Context(), n)
		if err != nil {
			door.WriteProblem(w, log, err)
			return
		}
		public(w, "application/json", keep)
		_, _ = w.Write(p.Text) // the client went away
	})
}

// number reads the number of a statement, 0 for none.
func number(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, vaccination.Errorf(vaccination.Invalid, "a statement has a number from 1")
	}
	return n, nil
}
