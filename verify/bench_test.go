package verify_test

import (
	"testing"

	"github.com/opendivoc/divoc/verify"
)

func BenchmarkTable_VerifyStatement(b *testing.B) {
	e := newEnv(b)
	code, document, o := text(b, e.cose(b)), e.document(b), e.opts()
	for name, in := range map[string]string{"hcert": code, "document": document} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if s := verify.Text(b.Context(), in, o); s.Verdict != verify.Valid {
					b.Fatal(s.Reasons)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verified/s")
		})
	}
}

func FuzzText(f *testing.F) {
	e := newEnv(f)
	code, document, o := text(f, e.cose(f)), e.document(f), e.opts()
	for _, seed := range []string{code, document, "", "HC1:", "{}", "PK\x03\x04", "shc:/1", code[:50]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s := verify.Text(t.Context(), in, o)
		if s.Verdict == verify.Valid && (s.Content == nil || s.Content.Name != e.content.Name) {
			t.Errorf("%q is valid", in)
		}
		if s.Verdict != verify.Valid && len(s.Reasons) == 0 {
			t.Errorf("%s without a reason", s.Verdict)
		}
	})
}
