package hcert

import (
	"fmt"
	"strings"
)

const base45Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

// base45Values gives for each byte its value plus one, 0 for what is not in the
// alphabet.
var base45Values = func() (v [256]byte) {
	for i := range len(base45Alphabet) {
		v[base45Alphabet[i]] = byte(i + 1)
	}
	return v
}()

// appendBase45 appends data in Base45 (RFC 9285) to dst.
func appendBase45(dst, data []byte) []byte {
	for ; len(data) >= 2; data = data[2:] {
		n := int(data[0])<<8 | int(data[1])
		dst = append(dst, base45Alphabet[n%45], base45Alphabet[n/45%45], base45Alphabet[n/2025])
	}
	if len(data) == 1 {
		dst = append(dst, base45Alphabet[data[0]%45], base45Alphabet[data[0]/45])
	}
	return dst
}

// decodeBase45 reads Base45 strictly (RFC 9285 section 4): no character outside
// the alphabet, no group above its bytes, no single character left over. Every
// accepted text is the one that appendBase45 writes.
func decodeBase45(text string) ([]byte, error) {
	if len(text)%3 == 1 {
		return nil, fmt.Errorf("%w: base45 text cut short", ErrMalformed)
	}
	out := make([]byte, 0, len(text)/3*2+1)
	for len(text) > 0 {
		group := text[:min(3, len(text))]
		text = text[len(group):]
		n, unit := 0, 1
		for i := range len(group) {
			v := int(base45Values[group[i]])
			if v == 0 {
				return nil, fmt.Errorf("%w: character outside base45", ErrMalformed)
			}
			n += (v - 1) * unit
			unit *= 45
		}
		switch {
		case len(group) == 3 && n <= 0xffff:
			out = append(out, byte(n>>8), byte(n))
		case len(group) == 2 && n <= 0xff:
			out = append(out, byte(n))
		default:
			return nil, fmt.Errorf("%w: base45 group out of range", ErrMalformed)
		}
	}
	return out, nil
}

// cutPrefix returns text after "HC1:", which HCERT 1.1.1 section 4.2 requires.
// Line ends and tabs around it come from files and scanners; a space may be part
// of the Base45 text and stays.
func cutPrefix(text string) (string, error) {
	rest, ok := strings.CutPrefix(strings.Trim(text, "\r\n\t"), "HC1:")
	if !ok {
		return "", ErrPrefix
	}
	return rest, nil
}
