// Package notice is the page /privacy: what is held on people, why, for how long,
// whom to ask and what their rights are.
package notice

import (
	"net/http"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/intake/upload"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/web/page"
)

// Path is where the page is.
const Path = "/privacy"

// Options are what the page needs.
type Options struct {
	Frame   *page.Frame
	Profile *profile.Profile
}

// held is one kind of data as the page lists it.
type held struct {
	key  string // of its texts
	days int    // kept for; 0 for as long as the certificate
}

// Handler answers [Path].
func Handler(o Options) http.Handler {
	days := func(d time.Duration) int { return int(d / (24 * time.Hour)) }
	r := o.Profile.Retention
	wrong := o.Profile.KeepWrongRows
	if wrong == 0 {
		wrong = upload.DefaultKeep
	}
	list := []held{
		{"record", 0}, {"contact", 0}, {"deliveries", days(r.Deliveries)}, {"rows", days(wrong)}, {"requests", days(r.Evidence)},
		{"messages", days(r.Messages)}, {"seen", days(r.Seen)}, {"prints", days(r.Prints)}, {"sessions", days(r.Sessions)},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		l := o.Frame.Locale(q)
		in := func(texts map[string]string) string {
			if t := texts[l.Tag]; t != "" || len(texts) == 0 {
				return t
			}
			return texts[o.Profile.Languages[0]]
		}
		contact, authority := in(o.Profile.PrivacyContact), in(o.Profile.PrivacyAuthority)
		issuer := o.Profile.IssuerName(l.Tag)
		o.Frame.Write(w, q, page.Page{Title: l.T("privacy.title"), Body: func(v page.View) templ.Component {
			return noticePage(v, issuer, contact, authority, list)
		}})
	})
}

func period(v page.View, days int) string {
	if days == 0 {
		return v.T("privacy.for-certificate")
	}
	return v.T("privacy.days", "days", strconv.Itoa(days))
}
