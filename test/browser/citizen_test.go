package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/test/dhis2/replay"
)

// citizen is somebody who fetches a certificate, and what they know of it.
type citizen struct {
	Number string `json:"number"`
	Day    string `json:"day"`
	Month  string `json:"month"`
	Year   string `json:"year"`
	Name   string `json:"name"`
}

// TestCitizens follows people from the start page to their certificates: in
// Jamaica by a telephone number, in Sri Lanka by an identity card.
func TestCitizens(t *testing.T) {
	chromium, binary := needs(t)
	t.Run("jamaica", func(t *testing.T) {
		s := start(t, binary, "jamaica")
		c := s.sample(t)
		c.Chromium, c.Languages, c.Citizens = chromium, []string{"en"}, map[string]citizen{}
		token, err := exec.Command(binary, "token", "create", "--role", "source", "--source", "clinic", "--data", s.data).Output()
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range []string{"360", "1280", "noscript", "keyboard", "slow"} {
			who := citizen{Number: fmt.Sprintf("876555020%d", i), Day: "21", Month: "4", Year: fmt.Sprint(1980 + i), Name: fmt.Sprintf("Citizen%c Testperson", 'a'+i)}
			c.Citizens[part] = who
			s.issue(t, strings.TrimSpace(string(token)), who)
		}
		c.Citizen = c.Citizens["360"]
		run(t, s, c, "citizen")
	})
	t.Run("sri-lanka", func(t *testing.T) {
		register, err := replay.New(replay.Options{Now: time.Now, Token: "d2pat_replay", People: 20})
		if err != nil {
			t.Fatal(err)
		}
		dhis2 := httptest.NewServer(register)
		t.Cleanup(dhis2.Close)
		s := start(t, binary, "sri-lanka", "--demo-dhis2", dhis2.URL)
		c := s.sample(t)
		c.Chromium, c.Languages = chromium, []string{"si", "ta", "en"}
		c.Citizen = citizen{Number: "871120015V", Day: "16", Month: "6", Year: "2021", Name: "නිමල් පෙරේරා"}
		run(t, s, c, "ondemand")
	})
}

// issue certifies a dose of who.
func (s *server) issue(t *testing.T, token string, who citizen) {
	t.Helper()
	s.report(t, token, "BROWSER-"+who.Number, "tel:"+who.Number, map[string]any{"name": who.Name, "birthDate": fmt.Sprintf("%s-04-21", who.Year), "sex": "female"})
}

// report certifies a dose of a person who has a code and a contact.
func (s *server) report(t *testing.T, token, code, contact string, person map[string]any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"events": []any{map[string]any{
		"programme": "covid-19", "enrolmentCode": code, "contacts": []string{contact}, "person": person,
		"vaccination": map[string]any{"product": "Comirnaty", "lot": "PF1", "date": "2021-11-30", "dose": 1, "totalDoses": 2, "centre": "Falmouth Health Centre"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	q, err := http.NewRequest(http.MethodPost, s.base+"/api/v1/events", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+token)
	q.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Fatalf("issuing: %s", r.Status)
	}
}
