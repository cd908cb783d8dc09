package intake

// Depth is how deep a JSON text is nested, what stands in strings passed over. A
// reader asks before it decodes: a decoder follows every level.
func Depth(body []byte) (deepest int) {
	level, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}
