package web

import (
	"net/http"
	"time"

	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/internal/web/verifier"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
)

// asking are the options of a verification that also asks the rules of a name
// whether the certificate is accepted.
func (s *server) asking(lang, name string) (verify.Options, error) {
	o := s.verifyOptions(lang)
	set, country, ok := s.Rules.Ask(name)
	if !ok {
		return o, vaccination.Errorf(vaccination.Invalid, "there are no such acceptance rules here: yellow-fever is there always, those of a country where this server was given them")
	}
	o.Rules, o.Country = set, country
	return o, nil
}

// rules publishes the acceptance rules, so that browsers can ask them themselves.
func (s *server) rules(mux door.Mux) {
	mux.HandleFunc("GET "+verifier.RulesPath, func(w http.ResponseWriter, r *http.Request) {
		source := s.Rules.Source()
		if source == nil {
			door.WriteProblem(w, s.Log, vaccination.Errorf(vaccination.NotFound, "this server has no acceptance rules of countries"))
			return
		}
		s.publish(w, r, file{"application/json", keepList, source, time.Time{}}, nil)
	})
}
