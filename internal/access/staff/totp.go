package staff

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238 as every authenticator app does it; its strength is not that of the hash
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// Time-based one-time passwords (RFC 6238) as every authenticator app makes
// them: SHA-1, six digits, 30 seconds; one step before and after counts too.
const (
	totpPeriod = 30 // seconds
	totpSkew   = 1  // steps
	totpSecret = 20 // bytes
)

var totpEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// newTOTP draws a secret.
func newTOTP(random io.Reader) ([]byte, error) {
	secret := make([]byte, totpSecret)
	_, err := io.ReadFull(random, secret)
	return secret, err
}

// totpCode is the code of a step.
func totpCode(secret []byte, step int64) string {
	h := hmac.New(sha1.New, secret)
	_ = binary.Write(h, binary.BigEndian, step)
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// totpStep returns the step that a code is of, which is after the last one used,
// and whether there is one. All candidates are compared.
func totpStep(secret []byte, code string, now time.Time, last int64) (step int64, ok bool) {
	code = digits(code)
	current := now.Unix() / totpPeriod
	for i := current - totpSkew; i <= current+totpSkew; i++ {
		if subtle.ConstantTimeCompare([]byte(totpCode(secret, i)), []byte(code)) == 1 && i > last {
			step, ok = i, true
		}
	}
	return step, ok
}

// digits is a code as typed, without spaces.
func digits(code string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\u00a0' {
			return -1
		}
		return r
	}, strings.TrimSpace(code))
}

// TOTPURL is what an authenticator app reads from a QR code.
func TOTPURL(issuer, account string, secret []byte) string {
	label := url.PathEscape(issuer + ":" + account)
	q := url.Values{"secret": {totpEncoding.EncodeToString(secret)}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	return "otpauth://totp/" + label + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// TOTPText is the secret to type by hand, in groups of four.
func TOTPText(secret []byte) string {
	text := totpEncoding.EncodeToString(secret)
	var b strings.Builder
	for i, r := range text {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
