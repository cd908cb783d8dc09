//go:build !js

package hcert

import "golang.org/x/text/unicode/norm"

// nfc returns s in Unicode normalisation form C (HCERT 1.1.1).
func nfc(s string) string { return norm.NFC.String(s) }
