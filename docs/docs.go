// Package docs is the documentation that a server shows beside its API
// reference.
package docs

import "embed"

// Files are the pages for those who write clients.
//
//go:embed divoc-api.md uploads.md conformance.md embed.md
var Files embed.FS
