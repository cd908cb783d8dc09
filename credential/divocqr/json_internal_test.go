package divocqr

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/opendivoc/divoc/credential/rdfc"

	"github.com/google/go-cmp/cmp"
)

// FuzzJSON compares what is read with what encoding/json reads.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,-2.5e+7,"x\u00e9\n\\\"",true,false,null,{},[]], "b" : {"c":"\ud83d\ude00","":""} }`))
	f.Add([]byte(" {\"a,:]}\":\"{[\\\\\"}\n"))
	f.Add([]byte(`{"a":1,"\u0061":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parse(data)
		if err != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		if d := cmp.Diff(want, plain(v)); d != "" {
			t.Fatal(d)
		}
	})
}

func plain(v value) any {
	switch v.kind {
	case boolean:
		return v.flag
	case number:
		return json.Number(v.text)
	case text:
		return v.text
	case list:
		out := []any{}
		for _, item := range v.items {
			out = append(out, plain(item))
		}
		return out
	case object:
		out := map[string]any{}
		for _, m := range v.members {
			out[m.name] = plain(m.value)
		}
		return out
	}
	return nil
}

func TestNumbers(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0 integer", "-0": "0 integer", "-0.0": "0 integer", "1.0": "1 integer", "-3": "-3 integer", "1e2": "100 integer",
		"1e20": "100000000000000000000 integer", "1e21": "1.0E21 double", "-1e21": "-1.0E21 double",
		"0.5": "5.0E-1 double", "1.25": "1.25E0 double", "-12.5": "-1.25E1 double", "0.1": "1.0E-1 double", "1e-7": "1.0E-7 double",
	} {
		got, err := rdfc.Number(in)
		if err != nil || got.Value+" "+got.Datatype[len(xsdNS):] != want {
			t.Errorf("%s: %s %s, %v; want %s", in, got.Value, got.Datatype, err, want)
		}
	}
}
