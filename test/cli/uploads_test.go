package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opendivoc/divoc/test/program"
)

// table is a CSV of DIVOC's columns with a row for each code from first on;
// every hundredth has a birth date that can be two days.
func table(first, n int) string {
	const header = "preEnrollmentCode,recipientName,recipientMobileNumber,recipientDOB,recipientAge,recipientGender,recipientNationality,recipientIdentity," +
		"recipientAddressLine1,recipientAddressLine2,recipientDistrict,recipientState,recipientPincode,vaccinationBatch,vaccinationDate,vaccinationDose," +
		"vaccinationTotalDoses,vaccinationEffectiveStart,vaccinationEffectiveEnd,vaccinationManufacturer,vaccinationName,vaccinatorName,facilityName," +
		"facilityAddressLine1,facilityAddressLine2,facilityDistrict,facilityState,facilityPincode\n"
	var b strings.Builder
	b.WriteString(header)
	for i := range n {
		birth := "1987-04-21"
		if i%100 == 99 {
			birth = "03/04/1987"
		}
		fmt.Fprintf(&b, "U-%d,Marcia Campbell,8765550142,%s,,Female,JAM,P%d,,,,,,PF1,2021-11-30,1,2,,,Pfizer,Comirnaty,N. Brown,Falmouth Health Centre,,,,,\n", first+i, birth, first+i)
	}
	return b.String()
}

type uploadState struct {
	ID                             int64
	State                          string
	Rows, Issued, Unchanged, Wrong int64
}

func TestAnUploadSurvivesAKill(t *testing.T) {
	t.Parallel()
	s := demo(t)
	token := s.Token("clinic")
	status, body, err := s.DoAs(http.MethodPost, "/api/v1/uploads?filename=people.csv", token, "text/csv", table(0, 6000))
	var u uploadState
	if err == nil {
		err = json.Unmarshal([]byte(body), &u)
	}
	if err != nil || status != http.StatusOK {
		t.Fatalf("uploading: %d %s, %v", status, body, err)
	}
	look := func() uploadState {
		var u2 uploadState
		_, body, err := s.Do(http.MethodGet, fmt.Sprintf("/api/v1/uploads/%d", u.ID), token, "")
		if err == nil {
			err = json.Unmarshal([]byte(body), &u2)
		}
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return u2
	}
	for look().Rows == 0 {
	}
	s.Kill()
	program.AwaitNone(t, s.Data)
	s = program.Start(t, s.Data, "--demo", "--profile", "jamaica", "--listen", strings.TrimPrefix(s.URL, "http://"))
	if got := look(); got.State != "processing" || got.Rows == 6000 {
		t.Logf("killed too late to show anything: %+v", got)
	}
	eventually(t, "the upload to go on", func() bool { return look().State == "done" })
	if got := look(); got != (uploadState{u.ID, "done", 6000, 5940, 0, 60}) {
		t.Errorf("upload = %+v", got)
	}
	if out := program.Must(t, "fsck", "--data", s.Data); !strings.Contains(out, " 0 problems") {
		t.Errorf("fsck: %s", out)
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	s := demo(t)
	file := write(t, "people.csv", table(0, 200))
	errorFile := filepath.Join(filepath.Dir(file), "people.errors.csv")
	r := program.Run(t, "import", "--data", s.Data, file)
	if r.Code != 3 || !strings.Contains(r.Out, "200 rows, 198 issued, 0 unchanged, 2 wrong\n") || !strings.Contains(r.Out, errorFile) {
		t.Fatalf("import: %d %s%s", r.Code, r.Out, r.Err)
	}
	if !strings.Contains(r.Err, "100%") {
		t.Errorf("no progress: %s", r.Err)
	}
	wrong, err := os.ReadFile(errorFile)
	if err != nil || strings.Count(string(wrong), "\n") != 3 || !strings.Contains(string(wrong), "recipientDOB: this can be two different days") {
		t.Fatalf("wrong rows: %s, %v", wrong, err)
	}
	// The wrong rows, their order of dates declared.
	if out := program.Must(t, "import", "--data", s.Data, "--date-format", "DMY", errorFile); !strings.Contains(out, "2 rows, 2 issued") {
		t.Errorf("corrected: %s", out)
	}
	// And the whole file again, with no server running.
	s.Stop()
	if out := program.Must(t, "import", "--data", s.Data, "--date-format", "DMY", file); !strings.Contains(out, "200 rows, 0 issued, 200 unchanged, 0 wrong") {
		t.Errorf("again: %s", out)
	}
	if r := program.Run(t, "import", "--data", s.Data, "--date-format", "DDMM", file); r.Code == 0 || !strings.Contains(r.Err, "DMY, MDY or YMD") {
		t.Errorf("an unknown order: %d %s", r.Code, r.Err)
	}
	if r := program.Run(t, "import", "--data", s.Data, write(t, "other.csv", "name,date\n")); r.Code == 0 || !strings.Contains(r.Err, "Missing Headers") {
		t.Errorf("no header: %d %s", r.Code, r.Err)
	}
}
