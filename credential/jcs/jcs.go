// Package jcs reads JSON strictly and writes it canonically, as RFC 8785 (JSON
// Canonicalization Scheme) says: what is signed is the text that Append writes.
package jcs
