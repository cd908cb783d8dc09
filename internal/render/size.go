package render

import (
	"slices"
	"strconv"
	"time"

	"github.com/opendivoc/divoc/internal/render/pdf"
	"github.com/opendivoc/divoc/vaccination"
)

// Size is the paper that a certificate is printed on.
type Size string

// The sizes. A card (ISO/IEC 7810 ID-1, 85.6 x 54 mm) shows the person, the
// doses in short and the code, in two languages; everything else is on the larger
// pages.
const (
	A4       Size = "a4"
	A5       Size = "a5"
	Card     Size = "card"      // its two sides, for a printer of cards
	CardFold Size = "card-fold" // both sides on a sheet of A4, to cut out and fold
)

// Sizes lists them, the usual one first.
func Sizes() []Size { return []Size{A4, A5, Card, CardFold} }

// Valid reports whether s is a size; the empty one is A4.
func (s Size) Valid() bool { return s == "" || slices.Contains(Sizes(), s) }

// Copy says which print of a certificate a page is.
type Copy struct {
	Number   int    // of this version of the certificate, from 1
	Facility string // that printed it
	Serial   int64  // of all prints of that facility
	At       time.Time
}

// paper is a sheet in points, and how much smaller than said all on it is drawn.
type paper struct{ width, height, scale float32 }

// cardLanguages is how many languages a card has room for, the first ones.
const cardLanguages = 2

// onPaper is d as far as its paper has room for it.
func (d Document) onPaper() Document {
	if d.Size == Card || d.Size == CardFold {
		if len(d.Languages) == 0 {
			d.Languages = d.Profile.Languages
		}
		d.Languages = d.Languages[:min(len(d.Languages), cardLanguages)]
	}
	return d
}

// sheetOf returns the paper of the pages that flow over several. On A5 everything
// is a fifth smaller: the smallest words have 5.6 points then.
func sheetOf(s Size) paper {
	if s == A5 {
		return paper{419.53, 595.28, 0.8}
	}
	return paper{pdf.Width, pdf.Height, 1}
}

// copyLine is what the page says of its print: its number stands in each language,
// the rest needs no words.
func (v *viewer) copyLine(c *Copy) Text {
	if c == nil {
		return nil
	}
	out := v.say("copy", "{n}", strconv.Itoa(c.Number))
	return append(out, plain(c.Facility+" · "+strconv.FormatInt(c.Serial, 10)+" · "+vaccination.DateOf(c.At.In(v.zone)).String())...)
}

// document sets a document on its paper.
func (s *setter) document(size Size) error {
	if size == Card || size == CardFold {
		return s.card(size)
	}
	return s.set()
}
