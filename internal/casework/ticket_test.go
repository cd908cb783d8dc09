package casework

import (
	"crypto/rand"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestATicketIsReadAsItIsTyped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bucket := int16(rapid.IntRange(0, 1023).Draw(t, "bucket"))
		ticket, err := newTicket(bucket, rand.Reader)
		if err != nil || ticket.Bucket() != bucket || ticket < 0 {
			t.Fatal(ticket, err)
		}
		text := ticket.String()
		typed := strings.NewReplacer("0", "O", "1", rapid.SampledFrom([]string{"1", "I", "l"}).Draw(t, "one"), "-", rapid.SampledFrom([]string{"-", "", " "}).Draw(t, "dash")).Replace(text)
		if got, err := ParseTicket(strings.ToLower(typed)); err != nil || got != ticket {
			t.Fatalf("%s typed %s is %s, %v", text, typed, got, err)
		}
		plain := []byte(strings.ReplaceAll(text, "-", ""))
		// Every slip of one character, and every two neighbours that are swapped.
		i := rapid.IntRange(0, len(plain)-1).Draw(t, "place")
		for _, c := range []byte(crockford) {
			slip := append([]byte(nil), plain...)
			slip[i] = c
			if _, err := ParseTicket(string(slip)); (err == nil) != (c == plain[i]) {
				t.Fatalf("%s for %s: %v", slip, plain, err)
			}
		}
		for i := range len(plain) - 1 {
			swapped := append([]byte(nil), plain...)
			swapped[i], swapped[i+1] = plain[i+1], plain[i]
			if _, err := ParseTicket(string(swapped)); (err == nil) != (plain[i] == plain[i+1]) {
				t.Fatalf("%s for %s: %v", swapped, plain, err)
			}
		}
	})
}

func FuzzParseTicket(f *testing.F) {
	f.Add("0000-0000-0000")
	f.Add("K7QM-2F9X-A3T9")
	f.Fuzz(func(t *testing.T, text string) {
		ticket, err := ParseTicket(text)
		if err != nil {
			if err.Error() != errTicket().Error() {
				t.Error("the error repeats what was typed")
			}
			return
		}
		if again, err := ParseTicket(ticket.String()); err != nil || again != ticket || ticket < 0 || ticket.Bucket() > 1023 {
			t.Errorf("%q is %s, and that %s, %v", text, ticket, again, err)
		}
	})
}
