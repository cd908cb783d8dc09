package hcert

import "syscall/js"

// nfc returns s in Unicode normalisation form C (HCERT 1.1.1). The browser has
// the tables, which would make the verifier a good deal larger.
func nfc(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return js.Global().Get("String").Get("prototype").Get("normalize").Call("call", s, "NFC").String()
		}
	}
	return s
}
