package casework

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/opendivoc/divoc/vaccination"
)

// Ticket is the number of a case: ten bits of its bucket and 45 random ones. As
// text it is three groups of four characters of Crockford's base 32, the last of
// which is a check character: "K7QM-2F9X-A3T9". It says nothing of a person.
// Whoever has it may follow the case, so it is not to be guessed.
type Ticket int64

const (
	ticketBits = 45 // random ones
	ticketData = 11 // characters without the check character
	crockford  = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// newTicket draws a ticket in a bucket.
func newTicket(bucket int16, random io.Reader) (Ticket, error) {
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return 0, err
	}
	return Ticket(bucket)<<ticketBits | Ticket(binary.BigEndian.Uint64(b[:])&(1<<ticketBits-1)), nil
}

// Bucket is where the case lies.
func (t Ticket) Bucket() int16 { return int16(t >> ticketBits) }

// String returns the text of t with its check character.
func (t Ticket) String() string {
	var c [ticketData + 1]byte
	for i := range ticketData {
		c[i] = byte(t>>(5*(ticketData-1-i))) & 31
	}
	c[ticketData] = check(c[:ticketData])
	var b strings.Builder
	for i, v := range c {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(crockford[v])
	}
	return b.String()
}

// ParseTicket reads a ticket as somebody types it: in any case, with or without
// dashes and spaces, O for 0, I and L for 1. A slip of one character, and two
// that were swapped, are errors.
func ParseTicket(text string) (Ticket, error) {
	if len(text) > 64 {
		return 0, errTicket()
	}
	var c []byte
	for _, r := range strings.ToUpper(text) {
		switch r {
		case '-', ' ', '\u2013', '\u00a0':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		v := strings.IndexRune(crockford, r)
		if v < 0 || len(c) > ticketData {
			return 0, errTicket()
		}
		c = append(c, byte(v))
	}
	if len(c) != ticketData+1 || check(c[:ticketData]) != c[ticketData] {
		return 0, errTicket()
	}
	var t Ticket
	for _, v := range c[:ticketData] {
		t = t<<5 | Ticket(v)
	}
	return t, nil
}

// check is the check character of c, in the field of 32 elements: the sum of
// each character times its own power of a generator. One that is wrong changes
// the sum, and so do two that differ and are swapped, as no two powers are equal.
func check(c []byte) byte {
	var sum byte
	for _, v := range c {
		sum = double(sum ^ v)
	}
	return sum
}

// double multiplies by the generator x modulo x^5 + x^2 + 1.
func double(v byte) byte {
	if v <<= 1; v&32 != 0 {
		v ^= 0b100101
	}
	return v
}

// MarshalText returns the text of t.
func (t Ticket) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what [ParseTicket] reads.
func (t *Ticket) UnmarshalText(b []byte) (err error) {
	*t, err = ParseTicket(string(b))
	return err
}

// object names a case in the audit.
func (t Ticket) object() string { return fmt.Sprintf("case %s", t) }

func errTicket() error {
	return vaccination.Errorf(vaccination.Invalid, "this is no ticket number: it has twelve letters and digits, such as K7QM-2F9X-A3T9; type it again as it was given to you")
}
