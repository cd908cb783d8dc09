package verify_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/verifytest"
)

// BenchmarkTable_VerifyFormats takes the text of a code of each format through the
// one call to its statement: read, signature, key, state, words. By the processor
// time that this uses, so that it is what one core does on any machine.
func BenchmarkTable_VerifyFormats(b *testing.B) {
	formats := verifytest.New(b)
	o := optionsOf(b, formats)
	for _, f := range formats.All {
		b.Run(f.Name, func(b *testing.B) {
			b.ReportAllocs()
			before := processTime(b)
			for b.Loop() {
				if s := verify.Text(b.Context(), f.Text, o); !asExpected(s, f.Reason) {
					b.Fatal(s.Text("en"))
				}
			}
			b.ReportMetric(float64(b.N)/(processTime(b)-before).Seconds(), "verified/s-core")
		})
	}
}

func optionsOf(t testing.TB, formats verifytest.Formats) verify.Options {
	t.Helper()
	bundle, err := trust.Parse(formats.List)
	if err != nil {
		t.Fatal(err)
	}
	names, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	return verify.Options{Trust: trust.New(bundle), At: formats.At, Catalogue: names}
}

// asExpected reports whether s is valid or, where there is a reason, not valid for
// it alone; and says what is certified.
func asExpected(s verify.Statement, reason string) bool {
	if s.Content == nil || s.Content.Name == "" {
		return false
	}
	if reason == "" {
		return s.Verdict == verify.Valid
	}
	return s.Verdict != verify.Valid && len(s.Reasons) == 1 && s.Reasons[0].Code == reason
}

// processTime is the processor time this process used.
func processTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What is measured is what is asked for: each format by its name, valid, and refused
// where one character of it differs.
func TestEveryFormatAtOnce(t *testing.T) {
	formats := verifytest.New(t)
	o := optionsOf(t, formats)
	for _, f := range formats.All {
		s := verify.Text(t.Context(), f.Text, o)
		if !asExpected(s, f.Reason) {
			t.Errorf("%s: %s", f.Name, s.Text("en"))
		}
		nobody := o
		nobody.Trust = nil
		if s := verify.Text(t.Context(), f.Text, nobody); s.Verdict != verify.CannotTell || s.Content != nil {
			t.Errorf("%s without trust: %s", f.Name, s.Text("en"))
		}
		changed := []byte(f.Text)
		changed[len(changed)/2] ^= 3
		if s := verify.Text(t.Context(), string(changed), o); s.Verdict == verify.Valid || s.Content != nil && f.Reason == "" {
			t.Errorf("%s, changed: %s", f.Name, s.Text("en"))
		}
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
