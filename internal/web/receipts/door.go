// Package receipts is the door through which gateways say what became of
// messages. It answers at once; what they say is looked at later.
package receipts

import (
	"log/slog"
	"net/http"

	"github.com/opendivoc/divoc/internal/deliver"
	"github.com/opendivoc/divoc/internal/web/door"
)

// maxBody bounds one request, in bytes.
const maxBody = 256 << 10

// Options are what the door opens to.
type Options struct {
	Messages *deliver.Service
	Log      *slog.Logger
}

// Register adds the door's paths to mux. Who calls proves it by the last part of
// the address, which no log has: routes are logged as patterns.
func Register(mux door.Mux, o Options) {
	receive := func(w http.ResponseWriter, r *http.Request) {
		body, err := door.ReadBody(w, r, maxBody)
		if err == nil {
			err = o.Messages.Receive(r.Context(), r.PathValue("gateway"), r.PathValue("secret"), r, body)
		}
		if err != nil {
			door.WriteProblem(w, o.Log, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
	mux.HandleFunc("POST /api/v1/receipts/{gateway}/{secret}", receive)
	mux.HandleFunc("GET /api/v1/receipts/{gateway}/{secret}", receive)
}
