package dhis2

import (
	"testing"

	"github.com/opendivoc/divoc/internal/intake"
)

// FuzzRead: whatever arrives is read or refused with words of ours.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"trackedEntity":"tReplay0001","updatedAt":"2021-10-27T10:15:54.911","attributes":[{"attribute":"sB1IHYu2xQT","value":"A"}],"enrollments":[{"program":"yDuAzyqYABS","events":[{"event":"vReplay0001","programStage":"a1jCssI2LkW","occurredAt":"2021-06-16","dataValues":[{"dataElement":"LUIsbsm3okG","value":"DOSE1"}]}]}]}`), false)
	f.Add([]byte(`{"instances":[{"trackedEntityInstance":"tReplay0001"}]}`), false)
	f.Add([]byte(`tracked_entity_id=tReplay0001`), true)
	m := covac(f)
	f.Fuzz(func(t *testing.T, body []byte, push bool) {
		a := intake.Arrival{Channel: intake.Poll, Body: body, Hints: map[string]string{hintProgram: "yDuAzyqYABS", hintZone: "Asia/Colombo"}}
		if push {
			a.Channel = intake.Push
		}
		r, err := Reader{}.Read(a, m)
		if err != nil && (len(r.Needs) > 0) {
			t.Errorf("refused and wants %v", r.Needs)
		}
		for _, x := range r.Fragments {
			if !uid.MatchString(x.ID) && x.Kind == intake.PersonFragment {
				t.Errorf("a person with the id %q", x.ID)
			}
		}
		for _, id := range r.Needs {
			if !uid.MatchString(id) {
				t.Errorf("wants %q", id)
			}
		}
	})
}
