package admin_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/web/admin"
)

func TestSettingsProgrammesAndLayouts(t *testing.T) {
	w := newWorld(t)
	w.ask("anna", admin.Path+"/settings", nil).is(t, 200, "From the profile", "Jamaica")
	w.ask("ben", admin.Path+"/programmes", nil).is(t, 200, "Products", "Comirnaty")
	at := admin.Path + "/layouts/standard"
	w.ask("ben", admin.Path+"/layouts", nil).is(t, 200, "Version 1", "COVID-19")
	w.ask("ben", at, nil).is(t, 200, "In force")
	link := regexp.MustCompile(`/admin/layouts/standard/1/sample/\d+`).FindString(w.ask("ben", at+"/1", nil).is(t, 200, "Sample people").text)
	if pdf := w.ask("ben", link, nil).is(t, 200); !strings.HasPrefix(pdf.text, "%PDF") {
		t.Errorf("%s is no PDF", link)
	}
	w.ask("ben", link+"?form=page", nil).is(t, 200, "SPECIMEN")
	for _, none := range []string{"/none", "/standard/2", "/standard/x", "/standard/1/sample/999", "/standard/1/sample/x"} {
		w.ask("ben", admin.Path+"/layouts"+none, nil).is(t, 404)
	}
}

// TestALayoutIsDraftedTriedAskedForAndApproved follows one on its pages.
func TestALayoutIsDraftedTriedAskedForAndApproved(t *testing.T) {
	w := newWorld(t)
	at := admin.Path + "/layouts/standard/2"
	if got := w.ask("anna", admin.Path+"/layouts/standard", form("from", "1")).is(t, 200, "Draft"); got.path != at {
		t.Fatalf("the draft is at %s", got.path)
	}
	seen := func() string {
		return regexp.MustCompile(`name="seen" value="([0-9a-f]{32})"`).FindStringSubmatch(w.ask("anna", at, nil).text)[1]
	}
	content := func(more ...string) url.Values {
		return form(append([]string{
			"seen", seen(), "why", "the new colour", "accent", "#112233", "languages", "en", "show", "sex", "show", "verify",
			"blocks", "header title person doses certificate barcode notes", "margin", "12", "qr", "60", "note-en", "Vaccination is free.",
		}, more...)...)
	}
	wrong := content()
	wrong.Set("accent", "#ffff00")
	w.ask("anna", at, wrong).is(t, 422, "darker colour")
	wrong.Set("accent", "#112233")
	wrong.Set("blocks", "header")
	w.ask("anna", at, wrong).is(t, 422, "all seven parts")
	w.ask("anna", at, content()).is(t, 200, "The draft is saved", "#112233", "Vaccination is free.", "What it would change")
	w.ask("anna", at+"/sample/0?form=page", nil).is(t, 200, "Vaccination is free.", "Sex")
	if page := words(w.ask("anna", at+"/sample/0?form=page", nil).text); strings.Contains(page, "Nationality") {
		t.Error("a field that is not shown stands on the page")
	}
	if r := w.ask("stale", at+"/ask", form("seen", seen())); r.header.Get("Location") != "/sign-in/again" {
		t.Errorf("asked for by somebody who proved themselves long ago: %d", r.status)
	}
	hash := seen()
	w.ask("anna", at+"/ask", form("seen", hash)).is(t, 200, "Somebody else can approve it now", "You asked for this")
	w.ask("anna", at+"/approve", form("seen", hash)).is(t, 422, "somebody else has to approve it")
	w.ask("ben", at, nil).is(t, 200, "Approve and put in force", "#112233")
	if r := w.ask("stale", at+"/approve", form("seen", hash)); r.header.Get("Location") != "/sign-in/again" {
		t.Errorf("approved by somebody who proved themselves long ago: %d", r.status)
	}
	w.ask("ben", at+"/approve", form("seen", hash)).is(t, 200, "It is in force")
	w.ask("ben", admin.Path+"/layouts", nil).is(t, 200, "Version 2")
	w.ask("ben", admin.Path+"/layouts/standard", nil).is(t, 200, "staff:1", "staff:2", "Was in force")
}
