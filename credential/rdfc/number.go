package rdfc

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

const xsd = "http://www.w3.org/2001/XMLSchema#"

// Number is how JSON-LD 1.1 (API, section 8.2.2 "Object to RDF Conversion")
// writes a JSON number: as xsd:integer where it has no fraction and is below
// 10^21, else as xsd:double in canonical form.
func Number(s string) (Term, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return Term{}, errors.New("a number out of range")
	}
	if f == 0 {
		f = 0 // minus zero has no sign here
	}
	t := Term{Kind: Literal, Value: strconv.FormatFloat(f, 'f', 0, 64), Datatype: xsd + "integer"}
	if f == math.Trunc(f) && math.Abs(f) < 1e21 {
		return t, nil
	}
	mantissa, exp, _ := strings.Cut(strconv.FormatFloat(f, 'E', 15, 64), "E")
	mantissa = strings.TrimRight(mantissa, "0")
	if strings.HasSuffix(mantissa, ".") {
		mantissa += "0"
	}
	n, err := strconv.Atoi(exp)
	if err != nil {
		return Term{}, err
	}
	return Term{Kind: Literal, Value: mantissa + "E" + strconv.Itoa(n), Datatype: xsd + "double"}, nil
}
