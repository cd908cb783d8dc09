package admin_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/access/staff"
	"github.com/opendivoc/divoc/internal/web/admin"
)

// member makes an account, beside those of the callers: 1 to 6.
func (w *world) member(login string, role access.Role, facility string) string {
	w.t.Helper()
	for {
		id, _, err := w.staff.Invite(w.t.Context(), access.System("test"), staff.Invitee{Name: "Name of " + login, Login: login, Role: role, Facility: facility})
		if err != nil {
			w.t.Fatal(err)
		}
		if id > int64(len(callers())) {
			return fmt.Sprintf("%s/staff/%d", admin.Path, id)
		}
		login += "x"
	}
}

func TestAnAccountFromItsInvitationToItsEnd(t *testing.T) {
	w := newWorld(t)
	w.member("somebody", access.Auditor, "")
	list := admin.Path + "/staff"
	w.ask("anna", list+"/new", form("name", "", "login", "a b", "role", "facility-staff")).is(t, 422, "no spaces", "needed")
	got := w.ask("anna", list+"/new", form("name", "Bob Brown", "login", "bob", "role", "facility-staff", "facility", "FAL")).is(t, 200, "shown only now", "Hello Bob Brown")
	link := regexp.MustCompile(`https?://[^\s<]+` + staff.LinkPath + `([^\s<]+)`).FindStringSubmatch(got.text)
	if link == nil {
		t.Fatalf("there is no link: %s", words(got.text))
	}
	if i, err := w.staff.Invitation(t.Context(), link[1]); err != nil || i.Member.Login != "bob" {
		t.Errorf("the link is for %+v, %v", i.Member, err)
	}
	w.ask("anna", list+"/new", form("name", "Other", "login", "BOB", "role", "auditor")).is(t, 422, "already")
	at := regexp.MustCompile(list + `/\d+`).FindString(got.text)
	if again := w.ask("anna", at, nil).is(t, 200, "Bob Brown", "Invited", "Facility staff"); strings.Contains(again.text, link[1]) {
		t.Error("the link is shown twice")
	}
	w.ask("anna", list, nil).is(t, 200, "Bob Brown", "FAL")
	if got := w.ask("anna", list+"?role=auditor", nil).is(t, 200); strings.Contains(got.text, "Bob Brown") {
		t.Error("the filter shows everybody")
	}
	w.ask("anna", list+"?format=csv", nil).is(t, 200, "Bob Brown")
	w.ask("anna", at, form("act", "role", "role", "facility-staff", "facility", "")).is(t, 422, "needed")
	w.ask("anna", at, form("act", "role", "role", "auditor", "facility", "")).is(t, 200, "The role is changed", "Auditor")
	w.ask("anna", at, form("act", "unlock")).is(t, 200, "They can try again")
	if got := w.ask("anna", at, form("act", "reset")).is(t, 200, "shown only now"); strings.Contains(got.text, link[1]) {
		t.Error("the link is the old one")
	}
	if _, err := w.staff.Invitation(t.Context(), link[1]); err == nil {
		t.Error("the old link is still good")
	}
	w.ask("anna", at, form("act", "deactivate")).is(t, 200, "is deactivated", "Reactivate")
	w.ask("anna", at, form("act", "deactivate")).is(t, 422, "already")
	w.ask("anna", at, form("act", "reactivate")).is(t, 200, "is reactivated")
	w.ask("anna", at, form("act", "leave", "heir", "x")).is(t, 422, "no such colleague")
	w.ask("anna", at, form("act", "leave", "heir", "")).is(t, 200, "The account is ended", "Deactivated")
	w.ask("anna", at, form("act", "promote")).is(t, http.StatusUnprocessableEntity)
	for _, act := range []string{"staff.role", "staff.unlock", "staff.reset", "staff.deactivate", "staff.reactivate", "staff.leave"} {
		if n := w.count("SELECT count(*) FROM audit WHERE act = $1 AND actor = 'staff:1'", act); n != 1 {
			t.Errorf("%s is recorded %d times", act, n)
		}
	}
	if strings.Contains(w.log.String(), "Bob") || strings.Contains(w.log.String(), link[1]) {
		t.Error("a name or a link is in the log")
	}
}

// TestStaffOfAFacility sees those of their own facility and changes who works at
// its desk; others are not there.
func TestStaffOfAFacility(t *testing.T) {
	w := newWorld(t)
	own, equal, foreign, boss := w.member("own", access.FacilityStaff, "FAL"), w.member("equal", access.FacilityAdmin, "FAL"), w.member("foreign", access.FacilityStaff, "KGN"), w.member("boss", access.SystemAdmin, "")
	list := w.ask("facility", admin.Path+"/staff", nil).is(t, 200, "Name of own", "Name of equal")
	for _, other := range []string{"foreign", "boss"} {
		if strings.Contains(list.text, "Name of "+other) {
			t.Errorf("%s is listed", other)
		}
	}
	for _, at := range []string{foreign, boss, admin.Path + "/staff/99999"} {
		w.ask("facility", at, nil).is(t, 404)
		w.ask("facility", at, form("act", "deactivate")).is(t, 404)
	}
	if got := w.ask("facility", equal, nil).is(t, 200, "A system administrator manages"); strings.Contains(got.text, `name="act"`) {
		t.Error("an equal can be changed")
	}
	w.ask("facility", equal, form("act", "deactivate")).is(t, 422, "own facility only")
	w.ask("facility", own, form("act", "role", "role", "facility-admin", "facility", "FAL")).is(t, 422, "own facility only")
	w.ask("facility", own, form("act", "role", "role", "facility-staff", "facility", "KGN")).is(t, 422, "own facility only")
	page := w.ask("facility", admin.Path+"/staff/new", nil).is(t, 200, "Facility staff")
	if strings.Contains(page.text, `value="system-admin"`) || !strings.Contains(page.text, `value="FAL"`) {
		t.Error("the form offers what is refused")
	}
	w.ask("facility", admin.Path+"/staff/new", form("name", "N", "login", "n", "role", "system-admin")).is(t, 422, "own facility only")
	w.ask("facility", own, form("act", "deactivate")).is(t, 200, "is deactivated")
	if n := w.count("SELECT count(*) FROM staff WHERE state = 'deactivated'"); n != 1 {
		t.Errorf("%d accounts are deactivated", n)
	}
}

// TestStaffNeedAFreshProof is asked for every change, and nobody ends themselves.
func TestStaffNeedAFreshProof(t *testing.T) {
	w := newWorld(t)
	at := w.member("own", access.FacilityStaff, "FAL")
	for path, f := range map[string]map[string][]string{at: form("act", "deactivate"), admin.Path + "/staff/new": form("name", "N", "login", "n", "role", "auditor")} {
		if got := w.ask("stale", path, f); got.header.Get("Location") != "/sign-in/again" {
			t.Errorf("%s without a proof: %d", path, got.status)
		}
	}
	if n := w.count("SELECT count(*) FROM staff WHERE state = 'deactivated'"); n != 0 {
		t.Error("it was done")
	}
	self := admin.Path + "/staff/1"
	if got := w.ask("anna", self, nil).is(t, 200, "your own account"); strings.Contains(got.text, `name="act"`) {
		t.Error("one can change oneself")
	}
	w.ask("anna", self, form("act", "deactivate")).is(t, 422, "nobody changes their own role")
}
