package transport

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the provider's own signature is made with it
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

// Receipts reads what a provider posted. address is the one it was given, which
// some sign. The error is [vaccination.NotFound] for whoever is not the provider,
// and [vaccination.Invalid] for what is no receipt of it; receipts with a state
// that the file does not know are left out.
func (s *Settings) Receipts(r *http.Request, body []byte, address string) ([]Receipt, error) {
	c := &s.Callback
	if c.Format == "" {
		return nil, vaccination.Errorf(vaccination.NotFound, "nothing is here")
	}
	if len(c.networks) > 0 {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !slices.ContainsFunc(c.networks, func(n netip.Prefix) bool { return n.Contains(from.Addr().Unmap()) }) {
			return nil, vaccination.Errorf(vaccination.NotFound, "nothing is here")
		}
	}
	form, err := fields(r, c.Format, body)
	if err != nil {
		return nil, err
	}
	if !s.signed(r, body, form, address) {
		return nil, vaccination.Errorf(vaccination.NotFound, "nothing is here")
	}
	if c.Format == "json" {
		return s.fromJSON(body)
	}
	x, ok := s.receipt(func(name string) (string, bool) { return form.Get(name), form.Has(name) })
	if !ok {
		return nil, nil
	}
	return []Receipt{x}, nil
}

func errNoReceipt() error {
	return vaccination.Errorf(vaccination.Invalid, "this is no receipt as the gateway's file describes them")
}

// fields are those of a query or a form.
func fields(r *http.Request, format string, body []byte) (url.Values, error) {
	switch format {
	case "query":
		return r.URL.Query(), nil
	case "form":
		v, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, errNoReceipt()
		}
		return v, nil
	default:
		return nil, nil
	}
}

func (s *Settings) fromJSON(body []byte) ([]Receipt, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, errNoReceipt()
	}
	list := []any{v}
	if path := s.Callback.List; path != "" {
		for step := range strings.SplitSeq(path, ".") {
			m, ok := v.(map[string]any)
			if !ok {
				return nil, errNoReceipt()
			}
			v = m[step]
		}
	}
	if several, ok := v.([]any); ok {
		list = several
	} else if s.Callback.List != "" {
		return nil, errNoReceipt()
	}
	var out []Receipt
	for _, item := range list {
		if x, ok := s.receipt(func(path string) (string, bool) { return lookUp(item, path) }); ok {
			out = append(out, x)
		}
	}
	return out, nil
}

// receipt reads one receipt. ok is false where it names no message, or a state
// that means nothing here.
func (s *Settings) receipt(get func(string) (string, bool)) (x Receipt, ok bool) {
	c := &s.Callback
	value, _ := get(c.State)
	state, ok := ParseState(c.States[value])
	if !ok || state == Queued {
		return x, false
	}
	x.State = state
	if c.ID != "" {
		x.ProviderID, _ = get(c.ID)
	} else {
		x.Ref, _ = get(c.Ref)
	}
	if c.Code != "" {
		x.Code, _ = get(c.Code)
	}
	return x, x.ProviderID+x.Ref != ""
}

// signed reports whether the provider signed, where its file says that it does.
func (s *Settings) signed(r *http.Request, body []byte, form url.Values, address string) bool {
	sign := &s.Callback.Sign
	if sign.Kind == "" {
		return true
	}
	key := []byte(fill(sign.Key, s.Credentials, plainly))
	got := strings.TrimPrefix(r.Header.Get(sign.Header), "sha256=")
	if sign.Kind == "hmac-sha256" {
		h := hmac.New(sha256.New, key)
		h.Write(body)
		want := h.Sum(nil)
		given, err := hex.DecodeString(got)
		if err != nil {
			given, err = base64.StdEncoding.DecodeString(got)
		}
		return err == nil && hmac.Equal(given, want)
	}
	// Twilio: the address, then each field of the form and its value, in the order
	// of names.
	h := hmac.New(sha1.New, key)
	h.Write([]byte(address))
	var names []string
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		h.Write([]byte(name + form.Get(name)))
	}
	given, err := base64.StdEncoding.DecodeString(got)
	return err == nil && hmac.Equal(given, h.Sum(nil))
}
