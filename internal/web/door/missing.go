package door

import (
	"net/http"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

// Missing answers what no route of mux answers below prefix: 405 with the
// methods there are where only the method is wrong, 404 otherwise. write tells
// the error as the door's clients expect it.
func Missing(mux Mux, prefix string, write func(http.ResponseWriter, *http.Request, error)) {
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	mux.HandleFunc(prefix, func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range methods {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); strings.Contains(pattern, " ") {
				allowed = append(allowed, method)
			}
		}
		if allowed != nil {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			write(w, r, vaccination.Errorf(vaccination.NotAllowed, "this path is not asked like this: use %s", strings.Join(allowed, " or ")))
			return
		}
		write(w, r, vaccination.Errorf(vaccination.NotFound, "there is no such path: /docs lists those that there are"))
	})
}
