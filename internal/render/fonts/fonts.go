// Package fonts holds the fonts that pages are set in. They are copied here at
// build time and never committed.
package fonts

import (
	"embed"
	"io/fs"
)

//go:embed all:*
var files embed.FS

// FS returns the fonts, without any when the program was built without them.
func FS() fs.FS { return files }
