package door

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// TrustProxy takes the client's address and scheme from X-Forwarded headers
// when the request comes from one of the proxies, and removes the headers
// otherwise, so that no one else can pretend.
func TrustProxy(proxies []netip.Prefix, next http.Handler) http.Handler {
	trusted := func(address string) bool {
		ip, err := netip.ParseAddrPort(address)
		return err == nil && slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(ip.Addr().Unmap()) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !trusted(r.RemoteAddr) {
			r.Header.Del("X-Forwarded-For")
			r.Header.Del("X-Forwarded-Proto")
			next.ServeHTTP(w, r)
			return
		}
		// The last hop is the one our proxy saw; earlier ones are hearsay.
		// A proxy may write it in a line of its own behind the client's.
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if ip, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil {
			r.RemoteAddr = netip.AddrPortFrom(ip, 0).String()
		}
		if r.Header.Get("X-Forwarded-Proto") == "https" {
			r.URL.Scheme = "https"
			// A page asked for over https may only ever be asked for so again.
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}
