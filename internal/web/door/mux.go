package door

import "net/http"

// Mux is what a door adds its routes to: an [http.ServeMux].
type Mux interface {
	http.Handler
	Handle(pattern string, h http.Handler)
	HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request))
	// Handler returns the pattern that answers a request.
	Handler(r *http.Request) (h http.Handler, pattern string)
}
