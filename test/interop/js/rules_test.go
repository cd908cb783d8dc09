package interop

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/certlogic"
	"github.com/opendivoc/divoc/credential/credentialtest"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify/rules"
)

const ruleData = `{"payload":{"v":[{"dn":2,"sd":2,"dt":"2021-06-30","mp":"EU/1/20/1528","ci":"URN:UVCI:01:NL:187/37512422923#Z"}],"dob":"1964","list":[3,1,2]},
 "external":{"validationClock":"2021-07-22T10:00:00Z","valueSets":{"mp":["EU/1/20/1528","EU/1/20/1507"]}},"none":null,"zero":0,"empty":{}}`

// expression is a random one. Lists, objects and times are not compared by ===, and
// texts not taken apart by var: there the oracle is JavaScript, not CertLogic.
func expression(r *rand.Rand, depth int) any {
	type op = map[string]any
	literals := []any{true, false, 0, 1, -3, 14, 365, "", "a", "2021-06-30", "2021-02", "1999", "2021-06-30T23:30:00+02:00", "2021-07-22T10:00:00.123Z", "URN:UVCI:01:NL:A/B#Z", "EU/1/20/1528"}
	paths := []any{"payload.v.0.dn", "payload.v.0.sd", "payload.v.0.dt", "payload.v.0.ci", "payload.v.0.mp", "payload.dob", "none", "zero", "payload.t.0.x", "external.validationClock", "current", "accumulator"}
	scalar := func() any {
		if r.IntN(2) == 0 {
			return literals[r.IntN(len(literals))]
		}
		return op{"var": paths[r.IntN(len(paths))]}
	}
	if depth == 0 {
		return scalar()
	}
	next := func() any { return expression(r, depth-1) }
	switch n := r.IntN(16); n {
	case 0, 1:
		return scalar()
	case 2:
		return op{"===": []any{scalar(), scalar()}}
	case 3:
		return op{"in": []any{scalar(), []any{op{"var": "external.valueSets.mp"}, []any{1, "a", true}, op{"var": "none"}}[r.IntN(3)]}}
	case 4:
		return op{"and": []any{next(), next(), next()}[:2+r.IntN(2)]}
	case 5:
		return op{"!": []any{next()}}
	case 6:
		return op{"if": []any{next(), next(), next()}}
	case 7:
		return op{"+": []any{next(), next()}}
	case 8:
		return op{[]string{"<", ">", "<=", ">="}[r.IntN(4)]: []any{next(), next(), scalar()}[:2+r.IntN(2)]}
	case 9, 10:
		return op{[]string{"after", "before", "not-after", "not-before"}[r.IntN(4)]: []any{next(), next(), next()}[:2+r.IntN(2)]}
	case 11, 12:
		return op{"plusTime": []any{scalar(), r.IntN(2000) - 1000, []string{"year", "month", "day", "hour"}[r.IntN(4)]}}
	case 13:
		return op{"reduce": []any{[]any{op{"var": "payload.list"}, op{"var": "payload.v"}, op{"var": "none"}, []any{scalar(), 2}}[r.IntN(4)], next(), scalar()}}
	case 14:
		return op{"extractFromUVCI": []any{scalar(), r.IntN(8) - 1}}
	default:
		return op{"dccDateOfBirth": []any{scalar()}}
	}
}

// certlogic-js, which the EU's rules were written with, finds the same value for each
// expression, or none where we find none.
func TestCertLogicJSFindsTheSameValues(t *testing.T) {
	packages(t)
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	var data any
	if err := json.Unmarshal([]byte(ruleData), &data); err != nil {
		t.Fatal(err)
	}
	const many = 20_000
	expressions := make([]any, many)
	for i := range expressions {
		expressions[i] = expression(r, 1+i%4)
	}
	type answer struct {
		Value any
		Open  bool
	}
	theirs := node[[]answer](t, "certlogic.mjs", map[string]any{"data": data, "expressions": expressions})
	open, differ := 0, 0
	for i, e := range expressions {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := certlogic.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		value, err := parsed.Eval(data)
		ours := answer{Value: plainValue(value), Open: err != nil}
		if ours.Open {
			open++
		}
		if diff := cmp.Diff(theirs[i], ours); diff != "" {
			if differ++; differ < 10 {
				t.Errorf("%s (seed %d):\n%s", text, seed, diff)
			}
		}
	}
	t.Logf("%d expressions, %d of them open, %d differ", many, open, differ)
}

// plainValue is a value as certlogic.mjs writes it.
func plainValue(v any) any {
	switch v := v.(type) {
	case time.Time:
		return map[string]any{"time": float64(v.UnixMilli())}
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = plainValue(item)
		}
		return out
	}
	return v
}

// anyRule is a rule of a country, of first doses.
const anyRule = `{"Identifier":"VR-JM-0001","Type":"Acceptance","Country":"JM","Version":"1.0.0","SchemaVersion":"1.0.0","Engine":"CERTLOGIC","EngineVersion":"0.7.5",
	 "CertificateType":"Vaccination","ValidFrom":"2021-07-01T00:00:00Z","ValidTo":"2050-06-01T00:00:00Z","AffectedFields":["v.0.dn"],
	 "Description":[{"lang":"en","desc":"A first dose."}],"Logic":{"===":[{"var":"payload.v.0.dn"},1]}}`

func TestDCCUtilsJudgesOurEUDCC(t *testing.T) {
	packages(t)
	products, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	key, other := newCodeKey(t), newCodeKey(t)
	c := credentialtest.Jamaica()
	c.Info.Period.End = c.Info.Period.Start.AddDate(1, 0, 0)
	cose, err := hcert.EncodeEU(c, products, key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(cose []byte) string {
		out, err := hcert.Text(cose)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	type verdict struct {
		Verified bool
		Error    string
		Passed   any
		Payload  map[string]any
	}
	for name, test := range map[string]struct {
		text, certificate string
		want              bool
	}{
		"as issued":           {text(cose), key.pem(), true},
		"another name":        {text(bytes.Replace(cose, []byte("CAMPBELL"), []byte("CAMPBELX"), 1)), key.pem(), false},
		"another certificate": {text(cose), other.pem(), false},
	} {
		t.Run(name, func(t *testing.T) {
			if !test.want && test.text == text(cose) && test.certificate == key.pem() {
				t.Fatal("the test changes nothing")
			}
			got := node[verdict](t, "verify-dcc.mjs", map[string]any{"text": test.text, "certificate": test.certificate, "rule": json.RawMessage(anyRule)})
			if got.Verified != test.want {
				t.Fatalf("verified %v (%s), want %v", got.Verified, got.Error, test.want)
			}
			if !test.want {
				return
			}
			if nam, _ := got.Payload["nam"].(map[string]any); !strings.Contains(nam["fnt"].(string), "CAMPBELL") {
				t.Errorf("reads %+v", got.Payload)
			}
			set, err := rules.Parse([]byte(anyRule))
			if err != nil {
				t.Fatal(err)
			}
			m, err := hcert.DecodeCOSE(cose)
			if err != nil {
				t.Fatal(err)
			}
			ours, _ := set.Evaluate(rules.Subject{Payload: m.EUPayload(), Kind: "Vaccination"}, rules.Question{At: c.Info.Period.Start, Country: "JM"})
			if theirs := map[any]rules.Outcome{true: rules.Passed, false: rules.Failed}[got.Passed]; ours != theirs {
				t.Errorf("the rule is %s here, %s with them", ours, theirs)
			}
		})
	}
}

// dcc-utils reads our EU DCC of a test and of a recovery, and refuses each with one
// date in it changed.
func TestDCCUtilsReadsTestsAndRecoveries(t *testing.T) {
	packages(t)
	key := newCodeKey(t)
	test := credentialtest.Tested()
	recovery := test
	recovery.Test = vaccination.Test{}
	recovery.Recovery = vaccination.Recovery{
		FirstPositive: vaccination.Date{Year: 2026, Month: 11, Day: 1}, ValidFrom: vaccination.Date{Year: 2026, Month: 11, Day: 12}, ValidUntil: vaccination.Date{Year: 2027, Month: 4, Day: 30}, Country: test.Test.Country,
	}
	for group, c := range map[string]vaccination.Certificate{"t": test, "r": recovery} {
		cose, err := hcert.EncodeEU(c, nil, key)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range []string{"", "2026-11-"} {
			if change != "" {
				cose = bytes.Replace(cose, []byte(change), []byte("2026-10-"), 1)
			}
			text, err := hcert.Text(cose)
			if err != nil {
				t.Fatal(err)
			}
			got := node[struct {
				Verified bool
				Error    string
				Payload  map[string]any
			}](t, "verify-dcc.mjs", map[string]any{"text": text, "certificate": key.pem(), "rule": json.RawMessage(anyRule)})
			if got.Verified != (change == "") || got.Verified && got.Payload[group] == nil {
				t.Errorf("group %s, changed %q: %+v", group, change, got)
			}
		}
	}
}
