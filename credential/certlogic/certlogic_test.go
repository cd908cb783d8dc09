package certlogic_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/credential/certlogic"
)

func parse(t testing.TB, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

const sample = `{"payload":{"v":[{"dn":2,"sd":2,"dt":"2021-06-30","mp":"EU/1/20/1528","ci":"URN:UVCI:01:NL:187/37512422923#Z"}],"dob":"1964"},
 "external":{"validationClock":"2021-07-22T10:00:00Z","valueSets":{"mp":["EU/1/20/1528","EU/1/20/1507"]}},"empty":{},"none":null,"zero":0}`

func TestWhatExpressionsAre(t *testing.T) {
	data := parse(t, sample)
	for text, want := range map[string]any{
		`true`:                     true,
		`7`:                        7.0,
		`["a",1]`:                  []any{"a", 1.0},
		`{"var":"payload.v.0.dn"}`: 2.0,
		`{"var":"payload.v.1.dn"}`: nil,
		`{"var":"payload.v.x.dn"}`: nil,
		`{"var":"payload.dob.0"}`:  nil,
		`{"var":"nothing.at.all"}`: nil,
		`{"===":[{"var":"none"},{"var":"not-there"}]}`: true,
		`{"===":[1,"1"]}`: false,
		`{"===":[[],[]]}`: false,
		`{"in":[{"var":"payload.v.0.mp"},{"var":"external.valueSets.mp"}]}`: true,
		`{"in":["x",[]]}`:                                            false,
		`{"and":[true,1,"a",[0]]}`:                                   []any{0.0},
		`{"and":[true,0,{">":["a",1]}]}`:                             0.0, // the rest is not looked at
		`{"and":[true,{"var":"none"}]}`:                              nil,
		`{"!":[{"var":"empty"}]}`:                                    true,
		`{"!":[{"var":"payload.v"}]}`:                                false,
		`{"if":[{"var":"zero"},1,2]}`:                                2.0,
		`{">=":[{"var":"payload.v.0.dn"},{"var":"payload.v.0.sd"}]}`: true,
		`{"<":[1,2,2]}`:                                              false,
		`{"<=":[1,2,2]}`:                                             true,
		`{"+":[40,2]}`:                                               42.0,
		`{"reduce":[[1,2,3],{"+":[{"var":"accumulator"},{"var":"current"}]},0]}`: 6.0,
		`{"reduce":[{"var":"none"},{"var":"current"},9]}`:                        9.0,
		`{"extractFromUVCI":[{"var":"payload.v.0.ci"},1]}`:                       "NL",
		`{"extractFromUVCI":[{"var":"payload.v.0.ci"},4]}`:                       "Z",
		`{"extractFromUVCI":[{"var":"payload.v.0.ci"},5]}`:                       nil,
		`{"extractFromUVCI":[{"var":"none"},0]}`:                                 nil,
		`{"extractFromUVCI":["a",-1]}`:                                           nil,
		`{"plusTime":["2020-02-29",1,"year"]}`:                                   time.Date(2021, 3, 1, 0, 0, 0, 0, time.UTC),
		`{"plusTime":["2021-10-31",1,"month"]}`:                                  time.Date(2021, 12, 1, 0, 0, 0, 0, time.UTC),
		`{"plusTime":["2021-06-30T23:30:00.1239+02:00",-36,"hour"]}`:             time.Date(2021, 6, 29, 9, 30, 0, 123e6, time.UTC),
		`{"plusTime":["2021-02",0,"day"]}`:                                       time.Date(2021, 2, 28, 0, 0, 0, 0, time.UTC),
		`{"dccDateOfBirth":[{"var":"payload.dob"}]}`:                             time.Date(1964, 12, 31, 0, 0, 0, 0, time.UTC),
		`{"dccDateOfBirth":["1964-02"]}`:                                         time.Date(1964, 2, 29, 0, 0, 0, 0, time.UTC),
		`{"not-after":[{"plusTime":[{"var":"payload.v.0.dt"},14,"day"]},{"plusTime":[{"var":"external.validationClock"},0,"day"]},{"plusTime":[{"var":"payload.v.0.dt"},365,"day"]}]}`: true,
		`{"before":[{"plusTime":["2021-01-01",0,"day"]},{"plusTime":["2021-01-01T00:00:00",0,"day"]}]}`:                                                                                false,
	} {
		e, err := certlogic.Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := e.Eval(data)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %v\n%s", text, got, err, diff)
		}
	}
}

func TestWhatHasNoValueIsOpen(t *testing.T) {
	data := parse(t, sample)
	for what, text := range map[string]string{
		"compares nothing":            `{">":[{"var":"none"},1]}`,
		"compares texts":              `{">":["b","a"]}`,
		"compares a broken number":    `{">":[{"var":"half"},1]}`,
		"adds a text":                 `{"+":["1",1]}`,
		"looks in an object":          `{"in":["a",{"var":"empty"}]}`,
		"goes through an object":      `{"reduce":[{"var":"empty"},1,1]}`,
		"compares a text with a time": `{"after":["2021-01-01",{"plusTime":["2021-01-01",0,"day"]}]}`,
		"a time as condition":         `{"if":[{"plusTime":["2021-01-01",0,"day"]},1,2]}`,
		"a time in and":               `{"and":[{"plusTime":["2021-01-01",0,"day"]},true]}`,
		"not a time":                  `{"!":[{"plusTime":["2021-01-01",0,"day"]}]}`,
		"adds to no date":             `{"plusTime":["tomorrow",1,"day"]}`,
		"adds to a day there is not":  `{"plusTime":["2021-02-30",1,"day"]}`,
		"adds to nothing":             `{"plusTime":[{"var":"none"},1,"day"]}`,
		"a birth day with a time":     `{"dccDateOfBirth":["1964-02-01T00:00:00Z"]}`,
		"a birth day of nothing":      `{"dccDateOfBirth":[{"var":"none"}]}`,
		"a UVCI that is a number":     `{"extractFromUVCI":[{"var":"zero"},0]}`,
	} {
		e, err := certlogic.Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if v, err := e.Eval(data); !errors.Is(err, certlogic.ErrEvaluate) || v != nil {
			t.Errorf("%s: %v %v", what, v, err)
		}
	}
}

func TestWhatIsNoExpression(t *testing.T) {
	for what, text := range map[string]string{
		"no JSON": `{`, "null": `null`, "a broken number": `1.5`, "two members": `{"!":[1],"and":[1,1]}`, "no member": `{}`,
		"an unknown operation": `{"or":[1,2]}`, "an operation of JsonLogic": `{"==":[1,1]}`, "no list": `{"!":1}`, "too few": `{"and":[1]}`,
		"too many": `{"<":[1,2,3,4]}`, "not of two": `{"!":[1,2]}`, "no operand": `{"if":[]}`, "a null inside": `{"if":[null,1,2]}`,
		"var of a number": `{"var":1}`, "an empty part": `{"var":"a..b"}`, "an amount that is no literal": `{"plusTime":["2021-01-01",{"var":"a"},"day"]}`,
		"a broken amount": `{"plusTime":["2021-01-01",1.5,"day"]}`, "an amount beyond all": `{"plusTime":["2021-01-01",1e15,"day"]}`, "no such unit": `{"plusTime":["2021-01-01",1,"week"]}`,
		"in what is not evaluated": `{"if":[true,1,{"or":[1,2]}]}`,
	} {
		if _, err := certlogic.Parse([]byte(text)); !errors.Is(err, certlogic.ErrExpression) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestBounds(t *testing.T) {
	deep := strings.Repeat(`{"!":[`, certlogic.MaxDepth+2) + "1" + strings.Repeat("]}", certlogic.MaxDepth+2)
	for what, text := range map[string]string{
		"deep":  deep,
		"large": `"` + strings.Repeat("x", certlogic.MaxSize) + `"`,
	} {
		if _, err := certlogic.Parse([]byte(text)); !errors.Is(err, certlogic.ErrTooLarge) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A list a thousand times a list, a thousand times.
	list := make([]any, 1000)
	for name, text := range map[string]string{
		"reduce in reduce": `{"reduce":[{"var":""},{"if":[true,1,1]},{"var":""}]}`,
		"a search in each": `{"reduce":[{"var":""},{"in":[1,{"var":"current"}]},1]}`,
	} {
		data := make([]any, certlogic.MaxSteps)
		if name != "reduce in reduce" {
			data = slices.Repeat([]any{list}, 1000)
		}
		e, err := certlogic.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Eval(data); !errors.Is(err, certlogic.ErrSteps) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Any tree that Parse takes ends with a value or an error, and the same each time.
func TestAnyExpressionEnds(t *testing.T) {
	data := parse(t, sample)
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(draw(t, 4))
		if err != nil {
			t.Fatal(err)
		}
		e, err := certlogic.Parse(text)
		if err != nil {
			if !errors.Is(err, certlogic.ErrExpression) && !errors.Is(err, certlogic.ErrTooLarge) {
				t.Fatalf("%s: %v", text, err)
			}
			return
		}
		a, errA := e.Eval(data)
		b, errB := e.Eval(data)
		if !cmp.Equal(a, b) || (errA == nil) != (errB == nil) {
			t.Fatalf("%s: %v %v, then %v %v", text, a, errA, b, errB)
		}
		if errA != nil && !errors.Is(errA, certlogic.ErrEvaluate) && !errors.Is(errA, certlogic.ErrSteps) {
			t.Fatalf("%s: %v", text, errA)
		}
	})
}

func draw(t *rapid.T, depth int) any {
	kinds := []string{"literal", "var", "list", "===", "in", "and", "!", "if", "+", ">", "<=", "after", "not-before", "plusTime", "reduce", "extractFromUVCI", "dccDateOfBirth", "odd"}
	if depth == 0 {
		kinds = kinds[:2]
	}
	kind := rapid.SampledFrom(kinds).Draw(t, "kind")
	many := func(least, most int) []any {
		out := []any{}
		for range rapid.IntRange(least, most).Draw(t, "n") {
			out = append(out, draw(t, depth-1))
		}
		return out
	}
	switch kind {
	case "literal":
		return rapid.SampledFrom([]any{true, false, 0, 1, -3, 1000000, "", "a", "2021-06-30", "2021-02", "1999", "URN:UVCI:01:NL:A/B#Z", "2021-06-30T12:00:00+02:00"}).Draw(t, "literal")
	case "var":
		return map[string]any{"var": rapid.SampledFrom([]string{"", "payload.v.0.dn", "payload.v", "payload.v.0.ci", "external.valueSets.mp", "none", "current", "accumulator", "payload.dob", "empty", "zero"}).Draw(t, "path")}
	case "list":
		return many(0, 3)
	case "plusTime":
		return map[string]any{kind: []any{draw(t, depth-1), rapid.IntRange(-1000, 1000).Draw(t, "amount"), rapid.SampledFrom([]string{"day", "hour", "month", "year"}).Draw(t, "unit")}}
	case "extractFromUVCI":
		return map[string]any{kind: []any{draw(t, depth-1), rapid.IntRange(-1, 5).Draw(t, "index")}}
	case "!", "dccDateOfBirth":
		return map[string]any{kind: many(1, 1)}
	case "===", "in", "+":
		return map[string]any{kind: many(2, 2)}
	case "if", "reduce":
		return map[string]any{kind: many(3, 3)}
	case "odd":
		return map[string]any{rapid.String().Draw(t, "op"): many(0, 2)}
	default:
		return map[string]any{kind: many(2, 3)}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{`{"var":"payload.v.0.dt"}`, `{"if":[{"===":[1,1]},{"plusTime":["2021-01-01",1,"day"]},[]]}`, `{"reduce":[{"var":"payload.v"},{"+":[{"var":"accumulator"},1]},0]}`, `{"extractFromUVCI":["URN:UVCI:a#b",1]}`, `{"dccDateOfBirth":["19"]}`} {
		f.Add([]byte(text))
	}
	data := parse(f, sample)
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := certlogic.Parse(text)
		if err != nil {
			return
		}
		if _, err := e.Eval(data); err != nil && !errors.Is(err, certlogic.ErrEvaluate) && !errors.Is(err, certlogic.ErrSteps) {
			t.Fatal(err)
		}
	})
}
