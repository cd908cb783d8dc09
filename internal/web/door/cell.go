package door

import "strings"

// Cell is a cell of a table for a spreadsheet, which shows it and does not run
// it: with ' before what could be a formula, also behind spaces and quotes.
func Cell(text string) string {
	if rest := strings.TrimLeft(text, "' "); rest != "" && strings.ContainsRune("=+-@\t\r", rune(rest[0])) {
		return "'" + text
	}
	return text
}
