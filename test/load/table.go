// Package load measures divoc with as much as a country has: a table of a
// million rows, ten million certificates. Its tests run with DIVOC_SOAK only.
package load

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/opendivoc/divoc/internal/intake/csv"
)

// Table writes n rows of DIVOC's table, one dose each of a person of their own,
// all invented and without a fault. The same n gives the same table.
func Table(w io.Writer, n int) error {
	given := strings.Fields("Marcia Andre Devon Shelly Tashana Ricardo Kerry-Ann Omar Patrice Nadine Everton Simone")
	family := strings.Fields("Campbell Brown Williams Grant Johnson Reid Clarke Gordon Morgan Bailey Francis Palmer Wright")
	places := []string{"Falmouth", "Kingston", "Mandeville", "Montego Bay", "Spanish Town", "Port Antonio"}
	out := bufio.NewWriter(w)
	columns := csv.Columns()
	fmt.Fprintln(out, strings.Join(columns, ","))
	for i := range n {
		place := places[i%len(places)]
		cells := map[string]string{
			"preEnrollmentCode": fmt.Sprintf("LOAD-%09d", i), "recipientName": given[i%len(given)] + " " + given[i/7%len(given)] + " " + family[i%len(family)],
			"recipientMobileNumber": fmt.Sprintf("876%07d", 2_000_000+i%8_000_000), "recipientDOB": fmt.Sprintf("%d-%02d-%02d", 1930+i%85, 1+i%12, 1+i%28),
			"recipientGender": []string{"Female", "Male"}[i%2], "recipientNationality": "JAM", "recipientIdentity": fmt.Sprintf("did:Passport:P%08d", i),
			"recipientAddressLine1": fmt.Sprintf("%d Main Street", 1+i%200), "recipientDistrict": place, "recipientState": place,
			"vaccinationBatch": fmt.Sprintf("PF%04d", i%5000), "vaccinationDate": fmt.Sprintf("2021-%02d-%02dT15:00:00Z", 1+i%12, 1+i%28),
			"vaccinationDose": "1", "vaccinationTotalDoses": "2", "vaccinationManufacturer": "Pfizer", "vaccinationName": "Comirnaty",
			"vaccinatorName": "N. " + family[i/3%len(family)], "facilityName": place + " Health Centre",
		}
		line := make([]string, len(columns))
		for c, column := range columns {
			line[c] = cells[column]
		}
		fmt.Fprintln(out, strings.Join(line, ",")) // its error stays until Flush
	}
	return out.Flush()
}
