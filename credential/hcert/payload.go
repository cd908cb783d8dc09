package hcert

// EUPayload returns the EU DCC that m holds as encoding/json would read it: with
// numbers as float64. It is nil for another kind of content, and for what has no
// form in JSON.
func (m *Message) EUPayload() map[string]any {
	if m.Payload != EUDCC {
		return nil
	}
	v, ok := asJSON(m.content)
	if !ok {
		return nil
	}
	object, _ := v.(map[string]any)
	return object
}

// asJSON turns what was read from CBOR, which is bounded in depth, into what
// JSON reads as.
func asJSON(v any) (any, bool) {
	switch v := v.(type) {
	case nil, bool, string, float64:
		return v, true
	case int64:
		return float64(v), true
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			var ok bool
			if out[i], ok = asJSON(item); !ok {
				return nil, false
			}
		}
		return out, true
	case map[any]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			name, ok := k.(string)
			if !ok {
				return nil, false
			}
			if out[name], ok = asJSON(item); !ok {
				return nil, false
			}
		}
		return out, true
	}
	return nil, false
}
