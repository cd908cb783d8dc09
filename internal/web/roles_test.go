package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/intake"
	"github.com/opendivoc/divoc/internal/web/divocapi"
	"github.com/opendivoc/divoc/test/commcare/hq"
)

// routes is the law of who may ask what: a status for each kind of caller. A
// path holds {own}, {revoked}, {code} and {list} for things that exist.
func routes() []route {
	return append(fixedRoutes(), retiredRoutes()...)
}

// retiredRoutes are DIVOC's paths that are answered alike to everybody.
func retiredRoutes() (all []route) {
	for _, p := range divocapi.Retired() {
		all = append(all, route{p.Pattern, "", "501", nil})
	}
	return all
}

func fixedRoutes() []route {
	// Of a source, of another source, of an auditor, of an administrator; of a
	// person, 403 where it does not say.
	const (
		read    = "200 404 403 200"
		correct = "200 412 403 200"
		deliver = "200 200 403 200"
		admins  = "403 403 403 200"
	)
	const cert = "/api/v1/certificates/{own}"
	return []route{
		{"POST /api/v1/events", "", deliver, func(n string) any { return events(event("NEW-" + n)) }},
		{"POST /api/v1/corrections", "", read, func(n string) any { return events(event("CORRECT", "vaccination.lot", n)) }},
		{"POST /api/v1/certificates/search", "", read, func(string) any { return m{"enrolmentCode": "OWN"} }},
		{"GET /api/v1/certificates/{id}", cert, read, nil},
		{"GET /api/v1/certificates/{id}/versions", cert + "/versions", read, nil},
		{"GET /api/v1/certificates/{id}/pdf", cert + "/pdf", read, nil},
		{"GET /api/v1/certificates/{id}/qr.png", cert + "/qr.png", read, nil},
		{"GET /api/v1/certificates/{id}/qr.svg", cert + "/qr.svg", read, nil},
		{"GET /api/v1/certificates/{id}/code", cert + "/code", read, nil},
		{"GET /api/v1/certificates/{id}/credential", cert + "/credential", read, nil},
		{"GET /api/v1/certificates/{id}/credentials/divoc", cert + "/credentials/divoc", read, nil},
		{"GET /api/v1/certificates/{id}/exports", cert + "/exports", read, nil},
		{"GET /api/v1/certificates/{id}/exports/icvp/pdf", cert + "/exports/icvp/pdf", "422 404 403 422", nil}, // not of this disease
		{"GET /api/v1/certificates/{id}/exports/{format}", cert + "/exports/code", read, nil},
		{"GET /api/v1/certificates/{id}/exports/{format}/qr.png", cert + "/exports/code/qr.png", read, nil},
		{"GET /api/v1/certificates/{id}/exports/{format}/qr.svg", cert + "/exports/code/qr.svg", read, nil},
		{"POST /api/v1/certificates/{id}/revocation", "/api/v1/certificates/{revoked}/revocation", read, func(string) any { return m{} }},
		{"POST /api/v1/certificates/{id}/suspension", cert + "/suspension", read, func(string) any { return m{} }},
		{"POST /api/v1/certificates/{id}/suspension/lift", "/api/v1/certificates/{revoked}/suspension/lift", "409 404 403 409", func(string) any { return m{} }},
		{"POST /api/v1/certificates/{id}/reissue", "/api/v1/certificates/{revoked}/reissue", "403 403 403 200", nil},
		{"POST /api/v1/uploads", "", deliver, func(n string) any { return []m{event("UPLOAD-" + n)} }},
		{"GET /api/v1/uploads", "", "200 200 403 200", nil},
		{"GET /api/v1/uploads/{id}", "/api/v1/uploads/{upload}", read, nil},
		{"GET /api/v1/uploads/{id}/rows", "/api/v1/uploads/{upload}/rows", read, nil},
		{"GET /api/v1/uploads/{id}/errors.csv", "/api/v1/uploads/{upload}/errors.csv", read, nil},
		{"GET /api/v1/uploads/{id}/progress", "/api/v1/uploads/{upload}/progress", read, nil},
		{"POST /api/v1/intake/{source}", "/api/v1/intake/check", "202 404 403 202", func(n string) any { return m{"form_id": n, "case_ids": []string{}} }},
		{"PUT /api/v1/intake/{source}", "/api/v1/intake/check", "202 404 403 202", func(n string) any { return m{"form_id": n, "case_ids": []string{}} }},
		{"GET /api/v1/intake/{source}/{reference}", "/api/v1/intake/check/{reference}", read, nil},
		{"POST /fhir", "", "403 403 403 403", func(string) any { return m{} }}, // none of them is a source that speaks FHIR
		{"POST /fhir/{$}", "/fhir/", "403 403 403 403", func(string) any { return m{} }},
		{"POST /fhir/Immunization", "", "403 403 403 403", func(string) any { return m{} }},
		{"POST /fhir/QuestionnaireResponse/$generateHealthCertificate", "", "403 403 403 403", func(string) any { return m{} }},
		{"POST /fhir/Bundle/$generateHealthCertificate", "", "403 403 403 403", func(string) any { return m{} }},
		{"POST /fhir/QuestionnaireResponse/$revokeHealthCertificate", "", "422 422 403 422", func(string) any { return m{"resourceType": "Parameters"} }},
		{"POST /fhir/QuestionnaireResponse/{id}/$revokeHealthCertificate", "/fhir/QuestionnaireResponse/{revoked}/$revokeHealthCertificate", read, func(string) any { return m{"resourceType": "Parameters"} }},
		{"GET /api/v1/sources", "", admins, nil},
		{"POST /api/v1/sources", "", admins, func(n string) any { return m{"name": fmt.Sprint("made-", len(n)), "kind": "fhir"} }},
		{"GET /api/v1/sources/{source}", "/api/v1/sources/check", admins, nil},
		{"PUT /api/v1/sources/{source}", "/api/v1/sources/check", admins, func(string) any { return m{} }},
		{"POST /api/v1/sources/{source}/test", "/api/v1/sources/check/test", "403 403 403 200", nil},
		{"POST /api/v1/sources/{source}/pause", "/api/v1/sources/check/pause", admins, func(string) any { return m{"reason": "a test"} }},
		{"POST /api/v1/sources/{source}/resume", "/api/v1/sources/check/resume", admins, nil},
		{"GET /api/v1/sources/{source}/mapping", "/api/v1/sources/check/mapping", admins, nil},
		{"PUT /api/v1/sources/{source}/mapping", "/api/v1/sources/check/mapping", admins, func(string) any { return m{"text": hq.Mapping()} }},
		{"GET /api/v1/holds", "", admins, nil},
		{"GET /api/v1/holds/report", "", admins, nil},
		{"GET /api/v1/holds/{item}", "/api/v1/holds/1024", "403 403 403 404", nil},
		{"POST /api/v1/holds/decisions", "", "403 403 403 404", func(string) any { return m{"action": "retry", "items": []int{1024}} }},
		{"POST /api/v1/holds/{item}/mapping", "/api/v1/holds/1024/mapping", "403 403 403 404", func(string) any { return m{"value": "x"} }},
		{"POST /api/v1/holds/{item}/edits", "/api/v1/holds/1024/edits", "403 403 403 404", func(string) any { return m{"field": "person.name", "value": "x"} }},
		{"POST /api/v1/people/merges", "", "403 403 403 404", func(string) any { return m{"certificates": []string{"none", "none"}, "reason": "a test"} }},
		{"POST /api/v1/people/unmerges", "", "403 403 403 404", func(string) any { return m{"certificates": []string{"none", "none"}, "reason": "a test"} }},
		{"GET /api/v1/audit", "", "403 403 200 200", nil},
		{"GET /api/v1/audit/chains", "", "403 403 200 200", nil},
		{"GET /api/v1/alarms", "", "403 403 200 200", nil},
		{"POST /api/v1/alarms/{alarm}/close", "/api/v1/alarms/99/close", "403 403 403 404", func(string) any { return m{"reason": "a test"} }},
		{"POST /api/v1/people/exports", "", "403 403 403 404", func(string) any { return m{"certificate": "none"} }},
		{"POST /api/v1/people/erasures", "", "403 403 403 404", func(string) any { return m{"certificate": "none", "reason": "a test"} }},
		{"GET /api/v1/people/erasures", "", admins, nil},
		{"POST /api/v1/people/erasures/{erasure}/decision", "/api/v1/people/erasures/99/decision", "403 403 403 404", func(string) any { return m{"approve": true} }},
		{"GET /privacy", "", "200", nil},
		{"GET /audit/heads", "", "200 public", nil},
		{"GET /audit/heads/{number}", "/audit/heads/latest", "404", nil},
		{"GET /api/v1/messages", "", admins, nil},
		{"GET /api/v1/messages/{message}", "/api/v1/messages/4096", "403 403 403 404", nil},
		{"POST /api/v1/messages/resend", "", "403 403 403 404", func(string) any { return m{"messages": []int{4096}} }},
		{"GET /api/v1/messages/suppressions", "", admins, nil},
		{"POST /api/v1/messages/suppressions", "", "403 403 403 204", func(string) any { return m{"to": "876 555 0199", "reason": "opted-out"} }},
		{"GET /api/v1/messages/previews", "", admins, nil},
		{"GET /api/v1/gateways", "", admins, nil},
		{"POST /api/v1/gateways/{gateway}/pause", "/api/v1/gateways/none/pause", "403 403 403 404", nil},
		{"POST /api/v1/gateways/{gateway}/resume", "/api/v1/gateways/none/resume", "403 403 403 404", nil},
		{"GET /api/v1/campaigns", "", admins, nil},
		{"POST /api/v1/campaigns", "", admins, func(n string) any { return m{"name": "to " + n, "template": "ready", "filter": m{}} }},
		{"POST /api/v1/campaigns/{campaign}/approve", "/api/v1/campaigns/4096/approve", "403 403 403 404", nil},
		{"POST /api/v1/campaigns/{campaign}/stop", "/api/v1/campaigns/4096/stop", "403 403 403 404", nil},
		{"GET /api/v1/certificates/{id}/links", cert + "/links", admins, nil},
		{"POST /api/v1/withdrawals", "", admins, func(n string) any {
			return m{"act": "revoke", "reason": "a test", "key": n, "certificates": []string{"13FB6BBKS21CTAP4DP2TN9NA"}}
		}},
		{"GET /api/v1/withdrawals", "", admins, nil},
		{"GET /api/v1/withdrawals/{id}", "/api/v1/withdrawals/999", "403 403 403 404", nil},
		{"GET /api/v1/withdrawals/{id}/certificates", "/api/v1/withdrawals/999/certificates", "403 403 403 404", nil},
		{"POST /api/v1/withdrawals/{id}/approval", "/api/v1/withdrawals/999/approval", "403 403 403 404", func(string) any { return m{"found": 1} }},
		{"POST /api/v1/withdrawals/{id}/refusal", "/api/v1/withdrawals/999/refusal", "403 403 403 404", func(string) any { return m{} }},
		{"GET /api/v1/trust/sources", "", admins, nil},
		{"PUT /api/v1/trust/sources/{source}", "/api/v1/trust/sources/mine", admins, func(string) any { return m{"kind": "certificates"} }},
		{"DELETE /api/v1/trust/sources/{source}", "/api/v1/trust/sources/none", "403 403 403 404", nil},
		{"POST /api/v1/trust/sources/{source}/imports", "/api/v1/trust/sources/none/imports", "403 403 403 404", func(string) any { return m{"list": "x"} }},
		{"GET /api/v1/trust/sources/{source}/versions", "/api/v1/trust/sources/none/versions", "403 403 403 404", nil},
		{"GET /api/v1/trust/sources/{source}/list", "/api/v1/trust/sources/none/list", "403 403 403 404", nil},
		{"GET /api/v1/trust/versions/{version}", "/api/v1/trust/versions/999", "403 403 403 404", nil},
		{"POST /api/v1/trust/versions/{version}/application", "/api/v1/trust/versions/999/application", "403 403 403 404", nil},
		{"POST /api/v1/trust/versions/{version}/reversion", "/api/v1/trust/versions/999/reversion", "403 403 403 404", nil},
		{"POST /api/v1/cases", "", "403 403 403 404", func(string) any { return m{"kind": "death", "certificate": "13FB6BBKS21CTAP4DP2TN9NA"} }},
		{"GET /api/v1/cases", "", admins, nil},
		{"GET /api/v1/cases/{ticket}", "/api/v1/cases/0000-0000-0000", "403 403 403 404", nil},
		{"POST /api/v1/cases/{ticket}/evidence", "/api/v1/cases/0000-0000-0000/evidence", "403 403 403 404", func(string) any { return m{} }},
		{"GET /api/v1/cases/{ticket}/evidence/{number}", "/api/v1/cases/0000-0000-0000/evidence/1", "403 403 403 404", nil},
		{"POST /api/v1/cases/{ticket}/preview", "/api/v1/cases/0000-0000-0000/preview", "403 403 403 404", func(string) any { return m{} }},
		{"POST /api/v1/cases/{ticket}/decisions", "/api/v1/cases/0000-0000-0000/decisions", "403 403 403 404", func(string) any { return m{"action": "take"} }},
		{"GET /api/v1/certificates/{id}/cases", cert + "/cases", admins, nil},
		{"GET /api/v1/certificates/{id}/deliveries", cert + "/deliveries", "403 403 403 404", nil},
		{"POST /divoc/api/v1/bulkCertify", "", "400 400 403 400", func(string) any { return m{} }},
		{"GET /divoc/api/v1/certify/uploads", "", "200 200 403 200", nil},
		{"GET /divoc/api/v1/certify/uploads/{uploadId}/errors", "/divoc/api/v1/certify/uploads/{upload}/errors", read, nil},
		{"POST /divoc/api/v1/certify", "", deliver, func(n string) any { return request("NEW-1-" + n) }},
		{"POST /divoc/api/v3/certify", "", deliver, func(n string) any { return request("NEW-3-" + n) }},
		{"PUT /divoc/api/v1/certificate", "", correct, func(n string) any { return request("CORRECT", "vaccination.batch", "1"+n) }},
		{"PUT /divoc/api/v3/certificate", "", correct, func(n string) any { return request("CORRECT", "vaccination.batch", "3"+n) }},
		{"POST /divoc/api/v1/test/certify", "", "422 422 403 422", func(n string) any { return testRequest("TEST-" + n) }}, // no programme certifies tests
		{"POST /divoc/api/v1/test/bulkCertify", "", "400 400 403 400", func(string) any { return m{} }},
		{"GET /divoc/api/v1/test/certify/uploads", "", "200 200 403 200", nil},
		{"GET /divoc/api/v1/test/certify/uploads/{uploadId}/errors", "/divoc/api/v1/test/certify/uploads/{upload}/errors", "404 404 403 404", nil}, // of doses
		{"GET /certificate/api/test/certificatePDF/{preEnrollmentCode}", "/certificate/api/test/certificatePDF/OWN", "404 404 403 404", nil},
		{"GET /divoc/api/v1/certificates", "", "200 200 403 200 200", nil},
		{"GET /divoc/api/v1/certificates/{preEnrollmentCode}", "/divoc/api/v1/certificates/OWN", read, nil},
		{"DELETE /divoc/api/v1/certificates/{preEnrollmentCode}", "/divoc/api/v1/certificates/DELETE?allDoses=true", read, nil},
		{"GET /certificate/api/certificatePDF/{preEnrollmentCode}", "/certificate/api/certificatePDF/OWN", read, nil},
		{"GET /certificate/api/certificateQRCode/{preEnrollmentCode}", "/certificate/api/certificateQRCode/OWN", read, nil},
		{"GET /certificate/api/certificatePDF", "/certificate/api/certificatePDF?certificateId={own}", read + " 200", nil},
		{"GET /certificate/api/certificate/{certificateId}", "/certificate/api/certificate/{own}", read + " 200", nil},
		{"GET /certificate/api/certificate/QRCode/{certificateId}", "/certificate/api/certificate/QRCode/{own}", read + " 200", nil},
		{"GET /certificate/api/beneficiaries", "/certificate/api/beneficiaries?phoneno=8765550199&dob=1987-04-21", admins, nil},
		{"POST /certificate/api/beneficiaries", "", admins, func(string) any { return m{"phoneno": "8765550199", "dob": "1987-04-21"} }},
		{"GET /divoc/api/v1/users/me", "", "200 200 200 200 200", nil},
		{"GET /divoc/api/v1/programs/current", "", "200 200 403 200", nil},

		// What anybody may ask: one status for everybody.
		{"POST /api/v1/token", "", "422", func(string) any { return m{} }}, // a secret is in the form, not in the header
		{"POST /api/v1/on-demand", "", "200", func(string) any { return m{"kind": "passport", "number": "A1234567"} }},
		{"POST /api/v1/on-demand/proofs", "", "404", func(string) any { return m{"challenge": "none", "code": "123456"} }},
		{"POST /api/v1/on-demand/pages", "", "404", func(string) any {
			return m{"challenge": "none", "certificate": "13FB6BBKS21CTAP4DP2TN9NA"}
		}},
		{"POST /api/v1/receipts/{gateway}/{secret}", "/api/v1/receipts/sms/none", "404", func(string) any { return m{} }}, // only who knows the address
		{"GET /api/v1/receipts/{gateway}/{secret}", "/api/v1/receipts/sms/none", "404", nil},
		{"/get", "/get", "200", nil},
		{"GET /my/stop/{ticket}", "/my/stop/0000-0000-0000", "404", nil},
		{"POST /my/stop/{ticket}", "/my/stop/0000-0000-0000", "404", nil},
		{"/get/", "/get/code", "200", nil},
		{"GET /my", "", "200", nil},
		{"POST /my", "", "422", nil}, // no number
		{"GET /my/code", "", "422", nil},
		{"POST /my/code", "", "422", nil}, // no code was asked for
		{"POST /my/again", "", "422", nil},
		{"GET /my/help", "", "200", nil},
		{"GET /my/follow", "", "200", nil},
		{"POST /my/follow", "", "422", nil},
		{"POST /my/later", "", "422", nil},
		{"GET /my/left", "", "200", nil},
		{"POST /my/leave", "", "200", nil},   // and on to another page, as all that follow
		{"GET /my/identity", "", "404", nil}, // of a profile without a provider
		{"GET /my/identity/return", "", "404", nil},
		{"POST /my/identity/ended", "", "404", nil},
		{"GET /my/identity/keys.json", "", "404", nil},
		{"POST /my/language", "", "200", nil},
		{"GET /my/report", "", "200", nil},
		{"GET /my/reports", "", "200", nil},
		{"POST /my/reports/{ticket}/withdraw", "/my/reports/0000-0000-0000/withdraw", "200", nil},
		{"GET /my/certificates", "", "200", nil},
		{"GET /my/certificates/{id}", "/my/certificates/{own}", "200", nil},
		{"POST /my/certificates/{id}", "/my/certificates/{own}", "200", nil},
		{"GET /my/certificates/{id}/pdf", "/my/certificates/{own}/pdf", "200", nil},
		{"GET /my/certificates/{id}/print", "/my/certificates/{own}/print", "200", nil},
		{"GET /my/certificates/{id}/qr.png", "/my/certificates/{own}/qr.png", "200", nil},
		{"GET /my/certificates/{id}/exports/{format}", "/my/certificates/{own}/exports/vc", "200", nil},
		{"GET /my/certificates/{id}/exports/icvp/pdf", "/my/certificates/{own}/exports/icvp/pdf", "200", nil},
		{"GET /my/certificates/{id}/exports/{format}/qr.png", "/my/certificates/{own}/exports/eu-dcc/qr.png", "200", nil},
		{"POST /my/certificates/{id}/send", "/my/certificates/{own}/send", "200", nil},
		{"GET /my/certificates/{id}/report", "/my/certificates/{own}/report", "200", nil},
		{"POST /my/certificates/{id}/report", "/my/certificates/{own}/report", "200", nil},
		{"/my/", "/my/none", "404", nil},
		{"POST /api/v1/verify", "", "200", func(string) any { return m{"data": "HC1:"} }},
		{"POST /divoc/api/v1/certificate/revoked", "", "400", func(string) any { return m{} }},
		{"GET /divoc/api/v1/ping", "", "200", nil},
		{"GET /openapi.json", "", "200 public", nil},
		{"GET /docs", "", "200", nil},
		{"GET /docs/{name}", "/docs/divoc-api.md", "200", nil},
		{"GET /.well-known/did.json", "", "200 public", nil},
		{"GET /.well-known/jwks.json", "", "200 public", nil},
		{"GET /.well-known/crl/{file}", "/.well-known/crl/none.json", "404 public", nil},
		{"GET /trust/bundle.json", "", "200 public", nil},
		{"GET /contexts/vaccination/v1", "", "200 public", nil},
		{"GET /contexts/test/v1", "", "200 public", nil},
		{"GET /status/{purpose}/{list}", "/status/revocation/{list}", "200 public", nil},
		{"GET /status/hashes", "", "200 public", nil},
		{"GET /status/hashes/{batch}", "/status/hashes/none", "404 public", nil},
		{"GET /healthz", "", "200", nil},
		{"GET /readyz", "", "200", nil},
		{"GET /metrics", "", "200", nil},
		{"/", "/", "200", nil},
		{"/api/", "/api/v2", "404", nil},
		{"/fhir/", "/fhir/x", "404", nil},
		{"GET /fhir/metadata", "", "200", nil},
		{"/divoc/", "/divoc/x", "404", nil},
		{"/certificate/", "/certificate/x", "404", nil},
		{"/verify", "/verify", "200", nil},
		{"GET /verify/manifest.webmanifest", "", "200", nil},
		{"GET /verify/rules.json", "", "404", nil},
		{"GET /verify/embed", "", "200", nil},
		{"GET /verify/embed/", "/verify/embed/none", "404", nil},
		{"GET /assets/", "/assets/none", "404", nil},
		{"GET /print.css", "", "200", nil},
		{"GET /theme/", "/theme/none", "404", nil},
	}
}

type route struct {
	pattern string
	path    string // of the pattern when empty
	want    string
	body    func(caller string) any
}

// delivered pushes a body to the source of the token, which then is one that is
// pushed to, and returns its reference.
func (w *world) delivered() string {
	w.t.Helper()
	err := w.intake.Create(w.t.Context(), access.System("test"), intake.NewSource{Name: "check", Kind: intake.CommCare, Mapping: hq.Mapping()})
	if err != nil {
		w.t.Fatal(err)
	}
	return into[struct{ Reference string }](w.t, w.ask(http.MethodPost, "/api/v1/intake/check", m{"form_id": "f", "case_ids": []string{}})).Reference
}

func TestWhoMayAskWhat(t *testing.T) {
	w := newWorld(t, asking(t, "ddcc, divoc", "ed25519"))
	for _, code := range []string{"CORRECT", "DELETE", "REVOKED", "REVOKED AGAIN"} {
		w.report("/api/v1/events", event(code))
	}
	w.report("/api/v1/events", event("OWN", "contacts", []string{"tel:8765550199"}))
	id := func(code string) string {
		list := into[struct{ Certificates []shown }](t, w.ask(http.MethodPost, "/api/v1/certificates/search", m{"enrolmentCode": code})).Certificates
		return list[0].ID
	}
	revokedOnce, revokedToo := id("REVOKED"), id("REVOKED AGAIN")
	for _, id := range []string{revokedOnce, revokedToo} {
		w.ask(http.MethodPost, "/api/v1/certificates/"+id+"/revocation", m{}).is(t, 200)
	}
	credential := into[struct {
		CredentialStatus []struct{ StatusListCredential string }
	}](t, w.ask(http.MethodGet, "/api/v1/certificates/"+id("OWN")+"/credential", nil))
	_, list, _ := strings.Cut(credential.CredentialStatus[0].StatusListCredential, "/revocation/")
	fill := strings.NewReplacer("{own}", id("OWN"), "{revoked}", revokedOnce, "{list}", list, "{upload}", w.uploaded(), "{reference}", w.delivered())

	revoked := w.newToken(access.NewToken{Role: access.SystemAdmin, For: time.Hour})
	w.revokeNewest()
	past := w.tokens
	past.Now = func() time.Time { return w.now.Add(-2 * time.Hour) }
	old := w.tokens
	w.tokens = past
	expired := w.newToken(access.NewToken{Role: access.SystemAdmin, For: time.Hour})
	w.tokens = old
	unknown := []struct{ name, header string }{
		{"no token", ""},
		{"garbage", "Bearer garbage"},
		{"a token never made", "Bearer divoc_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
		{"an expired token", "Bearer " + expired},
		{"a revoked token", "Bearer " + revoked},
		{"another scheme", "Basic " + w.token},
		{"no scheme", w.token},
		{"half a token", "Bearer " + w.token[:len(w.token)-1]},
		{"more than a token", "Bearer " + w.token + " " + w.token},
		{"in capitals", "Bearer " + strings.ToUpper(w.token)},
	}
	known := []struct{ name, header string }{
		{"its source", "bearer   " + w.token},
		{"another source", "Bearer " + w.newToken(access.NewToken{Role: access.SourceRole, Source: "other", For: time.Hour})},
		{"an auditor", "Bearer " + w.newToken(access.NewToken{Role: access.Auditor, For: time.Hour})},
		{"an administrator", "Bearer " + w.own("ann")},
	}
	vouched := []struct {
		name, header string
		as           int // of known; 4 is a person
	}{
		{"its source, by its issuer", "Bearer " + w.vouched("facility-staff", "facility_code", "CHECK"), 0},
		{"another source, by its issuer", "Bearer " + w.vouched("facility-staff", "facility_code", "other"), 1},
		{"an auditor, by its issuer", "Bearer " + w.vouched("monitoring"), 2},
		{"an administrator, by its issuer", "Bearer " + w.vouched("admin"), 3},
		{"a person", "Bearer " + w.vouched("recipient", "preferred_username", "876-555-0199"), 4},
		{"a role that means nothing here", "Bearer " + w.vouched("facility-print-staff"), -1},
		{"staff without a facility", "Bearer " + w.vouched("facility-staff", "facility_code", nil), -1},
	}
	for _, name := range []string{"an expired token of an issuer", "a token of an issuer for another audience"} {
		change := map[bool][]any{true: {"exp", w.now.Add(-time.Minute).Unix()}, false: {"aud", "account"}}[strings.Contains(name, "expired")]
		unknown = append(unknown, struct{ name, header string }{name, "Bearer " + w.vouched("admin", change...)})
	}

	// Two tokens, as a proxy and a server may read differently.
	if q, err := http.NewRequest(http.MethodGet, w.url+"/divoc/api/v1/certificates/OWN", nil); err != nil {
		t.Fatal(err)
	} else {
		q.Header["Authorization"] = []string{"Bearer " + w.token, "Bearer " + w.token}
		r, err := w.client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != 401 {
			t.Errorf("two tokens: %d", r.StatusCode)
		}
	}

	var seen []string
	for _, r := range routes() {
		seen = append(seen, r.pattern)
		method, path, ok := strings.Cut(r.pattern, " ")
		if !ok {
			method = http.MethodGet
		}
		if r.path != "" {
			path = fill.Replace(r.path)
		}
		want, kind, _ := strings.Cut(r.want, " public")
		public := kind != "" || strings.HasSuffix(r.want, " public")
		wants := strings.Fields(want)
		ask := func(name, header string, want string) {
			t.Helper()
			var body any
			if r.body != nil {
				body = r.body(name)
			}
			var headers []string
			if header != "" {
				headers = []string{"Authorization", header}
			}
			got := w.askAs("", method, path, body, headers...)
			if fmt.Sprint(got.status) != want {
				t.Errorf("%s by %s: %d %.300s, want %s", r.pattern, name, got.status, got.body, want)
			}
			if (got.header.Get("WWW-Authenticate") != "") != (want == "401") {
				t.Errorf("%s by %s: WWW-Authenticate = %q", r.pattern, name, got.header.Get("WWW-Authenticate"))
			}
			if got.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s by %s: no nosniff", r.pattern, name)
			}
			if (got.header.Get("Access-Control-Allow-Origin") != "") != public {
				t.Errorf("%s by %s: Access-Control-Allow-Origin = %q", r.pattern, name, got.header.Get("Access-Control-Allow-Origin"))
			}
			if len(wants) >= 4 && got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s by %s: Cache-Control = %q", r.pattern, name, got.header.Get("Cache-Control"))
			}
		}
		for _, c := range unknown {
			if len(wants) == 1 {
				ask(c.name, c.header, wants[0])
			} else {
				ask(c.name, c.header, "401")
			}
		}
		for i, c := range known {
			ask(c.name, c.header, wants[min(i, len(wants)-1)])
		}
		path = strings.Replace(path, revokedOnce, revokedToo, 1) // what was issued again is not revoked any more
		for _, c := range vouched {
			switch {
			case len(wants) == 1:
				ask(c.name, c.header, wants[0])
			case c.as >= 0 && c.as < len(wants):
				ask(c.name, c.header, wants[c.as])
			default:
				ask(c.name, c.header, "403")
			}
		}
	}
	for _, pattern := range w.patterns {
		if areaOf(pattern) == nil && !slices.Contains(seen, pattern) { // pages are asked in TestWhoMayOpenWhat
			t.Errorf("nobody said who may ask %q", pattern)
		}
	}
	for _, pattern := range seen {
		if !slices.Contains(w.patterns, pattern) {
			t.Errorf("there is no %q", pattern)
		}
	}
}

func TestWhatAnAdministratorCorrectsStaysItsSources(t *testing.T) {
	w := newWorld(t, "jamaica")
	w.report("/api/v1/events", event("A"))
	admin := w.admin()
	corrected := into[struct{ Results []result }](t, w.askAs(admin, http.MethodPost, "/api/v1/corrections", events(event("A", "vaccination.lot", "PF2"))).is(t, 200)).Results[0]
	if c := into[shown](t, w.ask(http.MethodGet, "/api/v1/certificates/"+corrected.Certificate, nil).is(t, 200)); c.Source != "check" || c.Version != 2 {
		t.Errorf("corrected = %+v", c)
	}
	if r := w.report("/api/v1/corrections", event("A", "vaccination.lot", "PF3"))[0]; r.Version != 3 {
		t.Errorf("corrected by its source again = %+v", r)
	}
}

func TestGuessesSayNothing(t *testing.T) {
	w := newWorld(t, "jamaica")
	var mine []m
	for i := range 50 {
		mine = append(mine, request(fmt.Sprintf("876555%04d", i*200)))
	}
	w.certify(http.MethodPost, mine...)
	foreign := w.newToken(access.NewToken{Role: access.SourceRole, Source: "other", For: time.Hour})
	ways := []func(code string) (reply, error){
		func(code string) (reply, error) {
			return w.send(foreign, http.MethodGet, "/divoc/api/v1/certificates/"+code, nil)
		},
		func(code string) (reply, error) {
			return w.send(foreign, http.MethodGet, "/certificate/api/certificatePDF/"+code, nil)
		},
		func(code string) (reply, error) {
			return w.send(foreign, http.MethodGet, "/certificate/api/certificateQRCode/"+code, nil)
		},
		func(code string) (reply, error) {
			return w.send(foreign, http.MethodDelete, "/divoc/api/v1/certificates/"+code+"?allDoses=true", nil)
		},
		func(code string) (reply, error) {
			return w.send(foreign, http.MethodPost, "/api/v1/certificates/search", m{"enrolmentCode": code})
		},
	}
	before := w.audited()
	var mu sync.Mutex
	answers := map[string]int{}
	var work sync.WaitGroup
	for worker := range 8 {
		work.Go(func() {
			for i := worker; i < 10_000; i += 8 {
				// Every way meets codes that exist and codes that do not.
				way := (i + i/200) % len(ways)
				r, err := ways[way](fmt.Sprintf("876555%04d", i))
				mu.Lock()
				answers[fmt.Sprint(way, " ", r.status, err, r.header.Get("Content-Type"), r.header.Get("Content-Length"), r.body)]++
				mu.Unlock()
			}
		})
	}
	work.Wait()
	for answer := range answers {
		if !strings.Contains(answer[:6], " 404") {
			t.Errorf("a guess is answered %s", answer)
		}
	}
	if len(answers) != len(ways) {
		t.Errorf("%d kinds of answer to %d ways of asking: %v", len(answers), len(ways), answers)
	}
	if after := w.audited(); after != before {
		t.Errorf("%d audit entries of reads that showed nothing", after-before)
	}
}
