package staff

import (
	"testing"
	"time"
)

// The vectors of RFC 6238, appendix B, of which six digits are shown here.
func TestCodesOfTheStandard(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := totpCode(secret, at/totpPeriod); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
		for off, ok := range map[time.Duration]bool{0: true, 30 * time.Second: true, -30 * time.Second: true, 61 * time.Second: false, -61 * time.Second: false} {
			if _, got := totpStep(secret, want, time.Unix(at, 0).Add(off), 0); got != ok && at > 100 {
				t.Errorf("of %d, %s later: %t", at, off, got)
			}
		}
		if _, again := totpStep(secret, want, time.Unix(at, 0), at/totpPeriod); again {
			t.Errorf("of %d, used already", at)
		}
	}
}

func TestPasswordsThatAreRefused(t *testing.T) {
	for password, safe := range map[string]bool{
		good: true, "violet harbour counts slowly": true, "නිල් වරාය සෙමින් ගණන් කරයි": true,
		"short": false, "aaaaaaaaaaaaaaaa": false, "abcdefghijklmnop": false, "123456789012345": false, "abcabcabcabcabc": false,
		"Password123456!": false, "P@ssw0rd2026!!!": false, "Vaccination2026": false, "qwertyuiop123!": false, "xx a.brown xx yy": false, "admin admin 2026": false,
	} {
		if err := CheckPassword("a.brown", password); (err == nil) != safe {
			t.Errorf("%q: %v", password, err)
		}
	}
}
