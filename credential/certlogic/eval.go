package certlogic

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Eval returns the value of e for data, which is JSON as encoding/json reads it
// into any. The value is of JSON too, or a time.Time. It fails with [ErrEvaluate]
// or [ErrSteps]. Neither e nor data is changed.
func (e *Expr) Eval(data any) (any, error) {
	m := machine{left: MaxSteps}
	return m.eval(e, data)
}

// machine is one evaluation.
type machine struct{ left int }

func (m *machine) step(n int) error {
	if m.left -= n; m.left < 0 {
		return ErrSteps
	}
	return nil
}

func (m *machine) eval(e *Expr, data any) (any, error) {
	if err := m.step(1); err != nil {
		return nil, err
	}
	switch e.op {
	case "":
		return e.literal, nil
	case "var":
		return at(data, e.path), nil
	case "if":
		holds, err := m.condition(e.args[0], data)
		if err != nil {
			return nil, err
		}
		if holds {
			return m.eval(e.args[1], data)
		}
		return m.eval(e.args[2], data)
	case "and":
		var v any
		for _, arg := range e.args { // the first that is false ends it
			var err error
			if v, err = m.eval(arg, data); err != nil {
				return nil, err
			}
			if holds, ok := truth(v); !ok {
				return nil, none(e, "neither true nor false")
			} else if !holds {
				return v, nil
			}
		}
		return v, nil
	case "!":
		holds, err := m.condition(e.args[0], data)
		if err != nil {
			return nil, err
		}
		return !holds, nil
	case "reduce":
		return m.reduce(e, data)
	}
	args := make([]any, len(e.args))
	for i, arg := range e.args {
		var err error
		if args[i], err = m.eval(arg, data); err != nil {
			return nil, err
		}
	}
	switch e.op {
	case "[":
		return args, nil
	case "===":
		return same(args[0], args[1]), nil
	case "in":
		list, ok := args[1].([]any)
		if !ok {
			return nil, none(e, "what it looks in is no list")
		}
		if err := m.step(len(list)); err != nil {
			return nil, err
		}
		for _, item := range list {
			if same(args[0], item) {
				return true, nil
			}
		}
		return false, nil
	case "+":
		a, aok := args[0].(float64)
		b, bok := args[1].(float64)
		if !aok || !bok || !whole(a) || !whole(b) {
			return nil, none(e, "it adds what is no whole number")
		}
		return a + b, nil
	case "extractFromUVCI":
		return part(e, args[0])
	case "plusTime":
		text, ok := args[0].(string)
		if !ok {
			return nil, none(e, "it adds to what is no date")
		}
		return plus(text, e.amount, e.unit)
	case "dccDateOfBirth":
		text, ok := args[0].(string)
		if !ok {
			return nil, none(e, "what it reads is no date")
		}
		return birth(text)
	case "after", "before", "not-after", "not-before":
		times := make([]time.Time, len(args))
		for i, v := range args {
			var ok bool
			if times[i], ok = v.(time.Time); !ok {
				return nil, none(e, "it compares what is no time")
			}
		}
		return ordered(times, func(a, b time.Time) int { return a.Compare(b) }, e.op), nil
	default: // ">", "<", ">=", "<="
		numbers := make([]float64, len(args))
		for i, v := range args {
			var ok bool
			if numbers[i], ok = v.(float64); !ok || !whole(numbers[i]) {
				return nil, none(e, "it compares what is no whole number")
			}
		}
		return ordered(numbers, func(a, b float64) int {
			switch {
			case a < b:
				return -1
			case a > b:
				return 1
			}
			return 0
		}, e.op), nil
	}
}

// ordered reports whether each of list stands to the next as op says.
func ordered[T any](list []T, compare func(a, b T) int, op string) bool {
	for i := range len(list) - 1 {
		c := compare(list[i], list[i+1])
		ok := false
		switch op {
		case ">", "after":
			ok = c > 0
		case "<", "before":
			ok = c < 0
		case ">=", "not-before":
			ok = c >= 0
		case "<=", "not-after":
			ok = c <= 0
		}
		if !ok {
			return false
		}
	}
	return true
}

func (m *machine) condition(e *Expr, data any) (bool, error) {
	v, err := m.eval(e, data)
	if err != nil {
		return false, err
	}
	holds, ok := truth(v)
	if !ok {
		return false, none(e, "neither true nor false")
	}
	return holds, nil
}

func (m *machine) reduce(e *Expr, data any) (any, error) {
	operand, err := m.eval(e.args[0], data)
	if err != nil {
		return nil, err
	}
	result, err := m.eval(e.args[2], data)
	if err != nil || operand == nil {
		return result, err
	}
	list, ok := operand.([]any)
	if !ok {
		return nil, none(e, "what it goes through is no list")
	}
	for _, item := range list {
		if result, err = m.eval(e.args[1], map[string]any{"accumulator": result, "current": item}); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// at is the value at a path, nil where there is none.
func at(v any, path []string) any {
	for _, name := range path {
		switch container := v.(type) {
		case map[string]any:
			v = container[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(container) {
				return nil
			}
			v = container[i]
		default:
			return nil
		}
	}
	return v
}

// truth is what v counts as in a condition; ok is false for what is neither,
// which is a time.
func truth(v any) (holds, ok bool) {
	switch v := v.(type) {
	case nil:
		return false, true
	case bool:
		return v, true
	case string:
		return v != "", true
	case float64:
		return v != 0, true
	case []any:
		return len(v) > 0, true
	case map[string]any:
		return len(v) > 0, true
	}
	return false, false
}

// same reports whether two values are equal. Only texts, numbers, true, false and
// null ever are.
func same(a, b any) bool {
	switch a.(type) {
	case nil, bool, string, float64:
		switch b.(type) {
		case nil, bool, string, float64:
			return a == b
		}
	}
	return false
}

// part is a part of a UVCI, nil where there is none.
func part(e *Expr, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	text, ok := v.(string)
	if !ok {
		return nil, none(e, "what it reads is no text")
	}
	parts := strings.Split(strings.NewReplacer("#", "/", ":", "/").Replace(strings.TrimPrefix(text, "URN:UVCI:")), "/")
	if e.amount < 0 || e.amount >= len(parts) {
		return nil, nil
	}
	return parts[e.amount], nil
}

func none(e *Expr, why string) error {
	name := e.op
	if name == "[" || name == "" {
		name = "a value"
	}
	return fmt.Errorf("%w: %s: %s", ErrEvaluate, name, why)
}
