package scan_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/internal/render"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/scan"
)

func TestFileGivesAStatementForEachCode(t *testing.T) {
	two := white(1700, 800)
	place(two, qrImage(t, code(1), 6), 20, 20)
	place(two, qrImage(t, "https://example.org", 6), 900, 60)
	for name, tc := range map[string]struct {
		data []byte
		want []string
		exit int
	}{
		"two codes, one of them no certificate": {asPNG(t, two), []string{verify.Damaged, verify.NotACertificate}, 1},
		"no code":                               {asPNG(t, white(300, 300)), []string{verify.NoCodeFound}, 2},
		"a locked PDF":                          {onePage("q Q", "/Encrypt 9 0 R"), []string{verify.FileLocked}, 2},
		"a kind that is not read":               {[]byte("GIF89a\xff\xfe\x00"), []string{verify.FileUnsupported}, 2},
		"too large":                             {make([]byte, scan.MaxFile+1), []string{verify.FileTooLarge}, 2},
		"an empty file":                         {nil, []string{verify.NotACertificate}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := scan.File(t.Context(), tc.data, verify.Options{At: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Language: "si"})
			var got []string
			for _, st := range s {
				if len(st.Reasons) != 1 || st.Reasons[0].Text == "" || st.Content != nil {
					t.Fatalf("%+v", st)
				}
				got = append(got, st.Reasons[0].Code)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
			if s.ExitCode() != tc.exit {
				t.Errorf("exit %d, want %d", s.ExitCode(), tc.exit)
			}
		})
	}
}

// The page that we print ourselves is read from its PDF, whose code is shapes.
func TestOurOwnPages(t *testing.T) {
	r, err := render.New(nil)
	if err != nil {
		t.Skip(err)
	}
	for name, c := range map[string]vaccination.Certificate{"jamaica": credentialtest.Jamaica(), "sri-lanka": credentialtest.SriLanka()} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := r.PDF(&b, render.Document{
				Doses: []vaccination.Certificate{c}, QR: code(3),
				Profile: render.Profile{
					Issuer: map[string]string{"en": c.Info.Issuer.Name}, Country: "JM", Programme: map[string]string{"en": "COVID-19"},
					Languages: []string{"en"}, PublicURL: "https://certificates.example",
				},
			}); err != nil {
				t.Fatal(err)
			}
			got, err := scan.Codes(t.Context(), b.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]string{code(3)}, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func BenchmarkCodes(b *testing.B) {
	page := white(1654, 2339) // A4 at 200 dots an inch
	place(page, qrImage(b, code(1), 4), 1000, 400)
	for name, data := range map[string][]byte{
		"page": asPNG(b, page), "pdf": onePage(filled(b, code(1), 300, 400, 1.9), ""),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := scan.Codes(b.Context(), data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
