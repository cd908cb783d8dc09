// Package certlogic evaluates CertLogic 1.3.3, the language in which the EU's
// business rules say which certificates a country accepts: a small subset of
// JsonLogic with dates.
//
// An expression is checked as a whole when it is read ([Parse]); to evaluate it
// takes a bounded number of steps. Nothing is fetched and there is no clock: what
// an expression can see is the data it is given.
package certlogic

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// SpecVersion is the version of the specification that is followed.
const SpecVersion = "1.3.3"

// The bounds of an expression.
const (
	MaxSize  = 64 << 10 // bytes of its JSON
	MaxDepth = 64       // operations within each other
	MaxSteps = 100_000  // operations and elements looked at in one evaluation
)

// Errors. None repeats a value of the data.
var (
	ErrExpression = errors.New("not a CertLogic expression")
	ErrTooLarge   = errors.New("the CertLogic expression is too large or nested too deep")
	// ErrEvaluate says that an expression has no value for this data, such as a
	// comparison with what is not there: the rule is open, neither passed nor failed.
	ErrEvaluate = errors.New("the expression has no value for this certificate")
	ErrSteps    = errors.New("the expression takes too many steps")
)

// Expr is an expression, read and checked. It may be evaluated by several at a
// time.
type Expr struct {
	op      string // "" for a literal, "[" for an array
	args    []*Expr
	literal any      // string, float64 or bool
	path    []string // of var
	amount  int      // of plusTime and extractFromUVCI
	unit    string   // of plusTime
}

// operands says how many operands an operation has, at least and at most; -1 is
// any number.
func operands(op string) (least, most int, ok bool) {
	switch op {
	case "!", "dccDateOfBirth":
		return 1, 1, true
	case "===", "in", "+", "extractFromUVCI":
		return 2, 2, true
	case "and":
		return 2, -1, true
	case ">", "<", ">=", "<=", "after", "before", "not-after", "not-before":
		return 2, 3, true
	case "if", "plusTime", "reduce":
		return 3, 3, true
	}
	return 0, 0, false
}

// units are those of plusTime.
func units() []string { return []string{"year", "month", "day", "hour"} }

// Parse reads an expression. It fails with [ErrExpression], which says what is
// wrong with it, or [ErrTooLarge].
func Parse(data []byte) (*Expr, error) {
	if len(data) > MaxSize {
		return nil, ErrTooLarge
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("%w: it is no JSON", ErrExpression)
	}
	return compile(v, 0)
}

func compile(v any, depth int) (*Expr, error) {
	if depth > MaxDepth {
		return nil, ErrTooLarge
	}
	switch v := v.(type) {
	case string, bool:
		return &Expr{literal: v}, nil
	case float64:
		if !whole(v) {
			return nil, wrong("a number must be a whole one")
		}
		return &Expr{literal: v}, nil
	case []any:
		return compileAll("[", v, depth)
	case map[string]any:
		if len(v) != 1 {
			return nil, wrong("an operation is an object with one member")
		}
		for op, operand := range v {
			return compileOp(op, operand, depth)
		}
	}
	return nil, wrong("null is none")
}

func compileAll(op string, list []any, depth int) (*Expr, error) {
	e := &Expr{op: op}
	for _, item := range list {
		arg, err := compile(item, depth+1)
		if err != nil {
			return nil, err
		}
		e.args = append(e.args, arg)
	}
	return e, nil
}

func compileOp(op string, operand any, depth int) (*Expr, error) {
	if op == "var" {
		path, ok := operand.(string)
		if !ok {
			return nil, wrong("var takes the path of a value")
		}
		e := &Expr{op: op}
		if path != "" { // the data itself
			if e.path = strings.Split(path, "."); slices.Contains(e.path, "") {
				return nil, wrong("the path of a var has an empty part")
			}
		}
		return e, nil
	}
	least, most, ok := operands(op)
	if !ok {
		return nil, wrong("there is no operation %.40q", op)
	}
	list, ok := operand.([]any)
	if !ok || len(list) < least || most >= 0 && len(list) > most {
		return nil, wrong("%s has another number of operands", op)
	}
	amount, unit := 0, ""
	switch op {
	case "plusTime", "extractFromUVCI":
		n, ok := list[1].(float64)
		if !ok || !whole(n) || math.Abs(n) > maxAmount {
			return nil, wrong("the second operand of %s must be a whole number", op)
		}
		amount = int(n)
		if op == "plusTime" {
			if unit, ok = list[2].(string); !ok || !slices.Contains(units(), unit) {
				return nil, wrong("the third operand of plusTime must be a unit: %s", strings.Join(units(), ", "))
			}
		}
		list = list[:1]
	}
	e, err := compileAll(op, list, depth)
	if err != nil {
		return nil, err
	}
	e.amount, e.unit = amount, unit
	return e, nil
}

// maxAmount bounds what is added to a time: a thousand years of hours.
const maxAmount = 9_000_000

func whole(f float64) bool { return f == math.Trunc(f) && !math.IsInf(f, 0) }

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrExpression}, args...)...)
}
