package hq

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/opendivoc/divoc/profiles"
)

// Mapping is the mapping that is shipped for projects like the invented one.
func Mapping() string {
	text, err := profiles.FS.ReadFile("jamaica/sources/commcare.yaml")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Invent returns the n-th invented person with the cases of their doses. The same n
// is the same person always.
func Invent(n int) (person Case, doses []Case) {
	r := rand.New(rand.NewPCG(uint64(n), 1876)) //nolint:gosec // invented people need no secrets
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	given, sex := pick("Marcia", "Shanice", "Tameka", "Kerry-Ann", "Donna"), "female"
	if r.IntN(2) == 0 {
		given, sex = pick("Devon", "Andre", "Winston", "Ricardo", "Orville"), "male"
	}
	family := pick("Campbell", "Brown", "Williams", "Grant", "Reid", "Morgan", "Clarke", "Bailey", "Gordon", "Francis")
	birth := time.Date(1940+r.IntN(65), time.Month(1+r.IntN(12)), 1+r.IntN(28), 0, 0, 0, 0, time.UTC)
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
	person = Case{ID: id, Type: "patient", Name: given + " " + family, Properties: map[string]string{
		"first_name": given, "last_name": family, "dob": birth.Format(time.DateOnly), "dob_known": "yes", "sex": sex,
		"mobile_number": fmt.Sprintf("876%07d", 5550000+n%10000), "nids_number": fmt.Sprintf("9%08d", n), "parish": pick("Kingston", "St. Andrew", "St. James", "Manchester"),
	}}
	day := time.Date(2021, 4, 12, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(200))
	vaccine := pick("astrazeneca", "pfizer", "covishield")
	for dose := 1; dose <= 1+r.IntN(2); dose++ {
		doses = append(doses, Case{
			ID: fmt.Sprintf("%s-%d", id, dose), Type: "vaccination", Name: fmt.Sprintf("Dose %d", dose), Parent: id, ParentType: "patient",
			Properties: map[string]string{
				"dose_number": fmt.Sprint(dose), "vaccine": vaccine, "batch_number": fmt.Sprintf("JM%04d", r.IntN(10000)),
				"date_given":    day.AddDate(0, 0, (dose-1)*70).Format(time.DateOnly),
				"facility_name": pick("Kingston Public Health Centre", "Mandeville Health Centre", "Montego Bay Convention Centre"), "vaccinator": "Nurse " + pick("A. Lewis", "P. James"),
			},
		})
	}
	return person, doses
}
