package door

import "strconv"

// Attachment is the headers of a file that somebody from outside made: it is saved,
// never shown, and whatever shows it all the same may run nothing. name is ours,
// without quotes and paths.
func Attachment(name, contentType string) map[string]string {
	return map[string]string{
		"Content-Type":                 contentType,
		"Content-Disposition":          "attachment; filename=" + strconv.Quote(name),
		"X-Content-Type-Options":       "nosniff",
		"Content-Security-Policy":      "default-src 'none'; sandbox; frame-ancestors 'none'",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control":                "no-store",
	}
}
