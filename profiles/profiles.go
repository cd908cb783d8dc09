// Package profiles holds the countries shipped with divoc, one folder each.
package profiles

import "embed"

// FS holds one folder a country; internal/profile reads it.
//
//go:embed jamaica sri-lanka
var FS embed.FS
