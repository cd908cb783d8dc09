package verify_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/verify"
	"github.com/opendivoc/divoc/verify/scan"
)

// What the names of the developer tools' test files say is wrong with them, by words in
// the name after that of the example. bad must never be valid. Others are about how a
// card was made and not about whether it counts: white space around it, parts of a size
// that is no longer made, profiles of FHIR.
var (
	badCards  = regexp.MustCompile(`(?i)invalid|wrong[-_](jws|qr_header)|no[-_](jws|deflate)|der-signature|trailing_slash|out-of-range|too-big|missing|tampered|must|expired|not_yet|milliseconds|miliseconds|crl-`)
	eitherWay = regexp.MustCompile(`(?i)trailing_chars|bom_prefix|chunk|wrong_qr_mode|metadata|multi-jws-issues|bad_qr_version|qr_version|single_qr_segment|crl-(duplicate|version)|profile|fhirbundle|non-dm|short-refs|missing-(coding|lab)|shlink|occurrence|payload`)
	plainCard = regexp.MustCompile(`(?i)(-d-jws\.txt|-e-file\.smart-health-card|-value-\d+\.txt)$`)
)

// TestVectorsSHCByName verifies every card of the set beside the plain examples, and
// expects of it what its name says.
func TestVectorsSHCByName(t *testing.T) {
	v := credentialtest.NewVectors(t, "smart-health-cards", "by name").Optional()
	names := newEnv(t).options.Catalogue
	list := cardTrust(t, v)
	at := time.Date(2023, 7, 1, 0, 0, 0, 0, time.UTC)
	for _, file := range v.Files(t, ".txt", ".smart-health-card") {
		name := filepath.Base(file)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimSpace(string(data))
		isCard := strings.HasPrefix(text, "eyJ") || strings.HasPrefix(strings.ToLower(text), "shc:/") || strings.HasPrefix(text, "{") || strings.HasPrefix(text, "\ufeff")
		switch {
		case plainCard.MatchString(name):
			continue // TestVectorsSHCAreVerified
		case eitherWay.MatchString(name) && !strings.Contains(name, "der-signature"):
			v.Skip(t, v.Name(file), "how a card is made, not whether it counts")
			continue
		case !isCard && !badCards.MatchString(name):
			v.Skip(t, v.Name(file), "no card")
			continue
		}
		all := scan.File(t.Context(), data, verify.Options{Trust: list, At: at, Catalogue: names})
		valid, unknown := len(all) > 0, false
		for _, s := range all {
			valid = valid && (s.Verdict == verify.Valid || s.Has(verify.UnsupportedContent) && s.Issuer.Key != "")
			unknown = unknown || s.Has(verify.UnknownIssuer)
		}
		if want := !badCards.MatchString(name); want && unknown {
			v.Skip(t, v.Name(file), "the key of its issuer is not in the set")
		} else {
			why := "it is valid"
			if want && len(all) > 0 {
				why = all[0].Text("en")
			}
			v.Check(t, v.Name(file), valid == want, why)
		}
	}
	// Single keys, each with one member wrong.
	for _, file := range v.Files(t, "_key.json") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := trust.ParseNamed(data)
		usable := err == nil && len(b.Issuers) > 0 && len(b.Issuers[0].Keys) > 0
		if strings.Contains(filepath.Base(file), "wrong_kid") && usable {
			v.Skip(t, v.Name(file), "keys are known by the thumbprint that is computed, whatever they are called")
			continue
		}
		v.Check(t, v.Name(file), usable == strings.HasPrefix(filepath.Base(file), "valid"), "it counts otherwise")
	}
}
