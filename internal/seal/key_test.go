package seal

import (
	"bytes"
	"strings"
	"testing"
)

// Whatever is read as a seal key is the one key of its file, and its errors
// never repeat what the file holds.
func FuzzParseKey(f *testing.F) {
	good, err := GenerateKey(bytes.NewReader(bytes.Repeat([]byte{7}, keySize)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("# only\n"))
	f.Add([]byte(keyMark + "AAAA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := parseKey(text)
		if err != nil {
			if _, secret, ok := strings.Cut(string(text), keyMark); ok && len(secret) > 40 && strings.Contains(err.Error(), secret[:40]) {
				t.Fatal("the error repeats the key")
			}
			return
		}
		again, err := GenerateKey(bytes.NewReader(key))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseKey(again); err != nil || !bytes.Equal(got, key) {
			t.Fatalf("written again it is read as another key: %v", err)
		}
	})
}
