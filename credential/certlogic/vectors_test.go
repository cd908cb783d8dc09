package certlogic_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/opendivoc/divoc/credential/certlogic"
	"github.com/opendivoc/divoc/credential/credentialtest"
)

// TestVectorsCertLogic runs the test suites of CertLogic's specification, of values and
// of what is no expression, and those of rules.
func TestVectorsCertLogic(t *testing.T) {
	v := credentialtest.NewVectors(t, "certlogic", "").Optional()
	for _, file := range v.Files(t, ".json") {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var suite struct {
			Directive string
			Cases     []struct {
				Name, Directive     string
				CertLogicExpression json.RawMessage
				Issues              *[]json.RawMessage
				Assertions          []struct {
					Directive           string
					CertLogicExpression json.RawMessage
					Data, Expected      any
				}
			}
		}
		if json.Unmarshal(raw, &suite) != nil || len(suite.Cases) == 0 {
			continue // no suite
		}
		for i, c := range suite.Cases {
			name := fmt.Sprintf("%s %d %s", v.Name(file), i+1, c.Name)
			if suite.Directive == "skip" || c.Directive == "skip" {
				v.Skip(t, name, "the suite says so")
				continue
			}
			if c.Issues != nil {
				_, err := certlogic.Parse(c.CertLogicExpression)
				v.Check(t, name, (err == nil) == (len(*c.Issues) == 0), fmt.Sprint("read: ", err))
				continue
			}
			for j, a := range c.Assertions {
				name := fmt.Sprintf("%s, %d", name, j+1)
				if a.Directive == "skip" {
					v.Skip(t, name, "the suite says so")
					continue
				}
				expression := a.CertLogicExpression
				if expression == nil {
					expression = c.CertLogicExpression
				}
				e, err := certlogic.Parse(expression)
				var got any
				if err == nil {
					got, err = e.Eval(a.Data)
				}
				v.Check(t, name, err == nil && reflect.DeepEqual(plain(got), plain(a.Expected)), fmt.Sprintf("%v %v, want %v", got, err, a.Expected))
			}
		}
	}
}

// plain is a value as JSON has it.
func plain(value any) any {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		return err
	}
	return out
}
