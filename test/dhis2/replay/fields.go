package replay

import "strings"

// fields is a parsed "fields" parameter: name → what is asked of it.
type fields map[string]fields

// parseFields reads "a,b[c,d[e]]". Nothing asked is nil: DHIS2's default.
func parseFields(text string) fields {
	f, _ := readFields(text)
	return f
}

func readFields(text string) (fields, string) {
	if text == "" {
		return nil, ""
	}
	out := fields{}
	for text != "" {
		i := strings.IndexAny(text, ",[]")
		if i < 0 {
			out[text] = nil
			return out, ""
		}
		name, sign := text[:i], text[i]
		text = text[i+1:]
		var inner fields
		if sign == '[' {
			inner, text = readFields(text)
			text = strings.TrimPrefix(text, ",")
			if strings.HasPrefix(text, "]") {
				out[name] = inner
				return out, text[1:]
			}
		}
		if name != "" {
			out[name] = inner
		}
		if sign == ']' {
			return out, text
		}
	}
	return out, ""
}

// project keeps what was asked for. Without a word about fields, enrollments are
// absent.
func project(v any, f fields) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		_, all := f["*"]
		for name, x := range v {
			inner, asked := f[name]
			switch {
			case f == nil && name == "enrollments":
			case f == nil || all && !asked:
				out[name] = x
			case asked:
				out[name] = project(x, inner)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = project(v[i], f)
		}
		return out
	default:
		return v
	}
}
