package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/credential/tokenstatus"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/issuance"
	"github.com/opendivoc/divoc/internal/web/door"
	"github.com/opendivoc/divoc/vaccination"
)

// How long what is published may be kept by whoever fetched it.
const (
	keepList  = time.Minute        // lists and keys: so late a withdrawal is told at most
	keepKeys  = 5 * time.Minute    // the keys of documents
	keepFixed = 24 * time.Hour     // what hardly ever changes
	keepBatch = 7 * 24 * time.Hour // what never changes under its name
)

// published adds what the world needs to verify: keys, states, the vocabulary.
// Whoever asks with "Cache-Control: no-cache", as a browser does that is told to
// load a page anew, has the states looked at again.
func (s *server) published(mux door.Mux) {
	fresh := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.Header.Get("Cache-Control"), "no-cache") {
				s.Service.Refresh()
			}
			h(w, r)
		}
	}
	// The keys of SMART Health Cards, and what was withdrawn of them, where every
	// verifier of cards looks: also pages of other sites.
	mux.HandleFunc("GET /.well-known/jwks.json", fresh(func(w http.ResponseWriter, r *http.Request) {
		keys, err := s.Service.CardKeys(r.Context())
		s.publish(w, r, file{"application/json", keepList, keys, time.Time{}}, err)
	}))
	mux.HandleFunc("GET /.well-known/crl/{file}", fresh(func(w http.ResponseWriter, r *http.Request) {
		list, changed, err := s.Service.CardList(r.Context(), strings.TrimSuffix(r.PathValue("file"), ".json"))
		s.publish(w, r, file{"application/json", keepList, list, changed}, err)
	}))
	mux.HandleFunc("GET /.well-known/did.json", func(w http.ResponseWriter, r *http.Request) {
		document, err := s.Service.Keys.Issuer().DIDDocument()
		s.publish(w, r, file{"application/did+json", keepKeys, document, time.Time{}}, err)
	})
	mux.HandleFunc("GET /trust/bundle.json", fresh(func(w http.ResponseWriter, r *http.Request) {
		bundle, err := s.Service.PackedTrustBundle(r.Context())
		if err != nil {
			door.WriteProblem(w, s.Log, err)
			return
		}
		publishBundle(w, r, bundle)
	}))
	mux.HandleFunc("GET /contexts/vaccination/v1", func(w http.ResponseWriter, r *http.Request) {
		s.publish(w, r, file{"application/ld+json", keepFixed, []byte(vc.Context()), time.Time{}}, nil)
	})
	mux.HandleFunc("GET /contexts/test/v1", func(w http.ResponseWriter, r *http.Request) {
		s.publish(w, r, file{"application/ld+json", keepFixed, []byte(vc.TestContext()), time.Time{}}, nil)
	})
	mux.HandleFunc("GET /status/{purpose}/{list}", func(w http.ResponseWriter, r *http.Request) {
		list, err := strconv.ParseInt(r.PathValue("list"), 10, 32)
		if err != nil {
			door.WriteProblem(w, s.Log, vaccination.Errorf(vaccination.NotFound, "there is no such status list"))
			return
		}
		purpose, kind := r.PathValue("purpose"), "application/vc"
		switch purpose {
		case issuance.PurposeToken: // in two forms at one address
			kind = tokenstatus.MediaType
			w.Header().Set("Vary", "Accept")
			if prefersCWT(r.Header.Values("Accept")) {
				purpose, kind = issuance.PurposeCWT, tokenstatus.MediaTypeCWT
			}
		case issuance.PurposeCWT:
			purpose = "" // it is asked for at the address of the other
		}
		credential, issued, err := s.Service.StatusList(r.Context(), purpose, int32(list))
		s.publish(w, r, file{kind, keepList, credential, issued}, err)
	})
	// EU revocation lists, as the gateway has them before they are signed for it.
	mux.HandleFunc("GET /status/hashes", fresh(func(w http.ResponseWriter, r *http.Request) {
		index, err := s.Service.HashIndex(r.Context())
		if err != nil {
			index = &issuance.HashIndex{}
		}
		s.publish(w, r, file{"application/json", keepList, index.Body, index.Changed}, err)
	}))
	mux.HandleFunc("GET /status/hashes/{batch}", func(w http.ResponseWriter, r *http.Request) {
		batch, err := s.Service.HashBatch(r.Context(), strings.TrimSuffix(r.PathValue("batch"), ".json"))
		s.publish(w, r, file{"application/json", keepBatch, batch, time.Time{}}, err)
	})
}

// prefersCWT reports whether who sent these Accept headers would rather have a token
// status list as a CWT than as a JWT, which is what everybody else gets.
func prefersCWT(accept []string) bool {
	weight := map[string]float64{}
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		if err != nil {
			q = 1
		}
		weight[kind] = q
	}
	return weight[tokenstatus.MediaTypeCWT] > weight[tokenstatus.MediaType]
}

// file is what anybody may have and keep for a while.
type file struct {
	contentType string
	keep        time.Duration
	data        []byte
	changed     time.Time // zero where that is not known
}

// settled is after how long the time of a change may be told: another one within
// the same second would not be seen by who asks for what changed since.
const settled = 10 * time.Second

// packFrom is from how many bytes on a file is packed for who takes that.
const packFrom = 1 << 10

// publish answers with a file, with its beginning alone for HEAD, and with nothing
// where the client has this one. Its tag is a hash of it, so every server gives it
// the same.
func (s *server) publish(w http.ResponseWriter, r *http.Request, f file, err error) {
	h := w.Header()
	if err != nil {
		h.Set("Access-Control-Allow-Origin", "*") // pages of other sites are to see why
		door.WriteProblem(w, s.Log, err)
		return
	}
	public(h, f.contentType, f.keep)
	sum := sha256.Sum256(f.data)
	h.Set("ETag", `W/"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`) // of both encodings
	h.Add("Vary", "Accept-Encoding")
	data := f.data
	if len(data) >= packFrom && door.Accepts(r, "gzip") {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := z.Write(data); err == nil && z.Close() == nil {
			data = packed.Bytes()
			h.Set("Content-Encoding", "gzip")
		}
	}
	r.Header.Del("Range") // of which encoding would be the question
	if s.Now().Sub(f.changed) < settled {
		f.changed = time.Time{}
	}
	http.ServeContent(w, r, "", f.changed, bytes.NewReader(data))
}

func public(h http.Header, contentType string, keep time.Duration) {
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(keep.Seconds())))
	h.Set("Access-Control-Allow-Origin", "*")
}

// publishBundle is publish of a trust bundle, which is kept packed and may be of
// many megabytes; its tag is its version.
func publishBundle(w http.ResponseWriter, r *http.Request, bundle *issuance.PackedBundle) {
	h := w.Header()
	public(h, "application/json", keepList)
	h.Set("Vary", "Accept-Encoding")
	tag := `W/"` + strconv.FormatInt(bundle.Version, 10) + `"` // of both encodings
	h.Set("ETag", tag)
	for _, have := range strings.Split(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimSpace(have) == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if door.Accepts(r, "gzip") {
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(bundle.Gzip)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(bundle.Gzip) // the client went away
		}
		return
	}
	if plain, err := bundle.JSON(); err == nil && r.Method != http.MethodHead {
		_, _ = io.Copy(w, plain)
	}
}
