// Package profiles holds the countries shipped with divoc, one folder each.
// internal/profile reads them; docs/new-country.md tells how to make another.
//
// The issuers' names are those of real ministries, so that pages can be judged;
// the addresses are reserved ones, the emblems our own drawings and the people
// in samples.json invented. Nothing here speaks for a ministry.
package profiles

import "embed"

// FS holds one folder a country.
//
//go:embed jamaica sri-lanka
var FS embed.FS
