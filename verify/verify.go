package verify

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/credential/vdsnc"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
	"github.com/opendivoc/divoc/verify/rules"
)

const (
	// MaxText is the longest text looked at, in bytes. The formats have
	// narrower bounds of their own.
	MaxText = 256 << 10
	// DefaultMaxStatusAge is how old a status may be where Options sets nothing.
	DefaultMaxStatusAge = 7 * 24 * time.Hour
	// skew is how much later than ours an issuer's clock may be.
	skew = 5 * time.Minute
)

// Options are what a verification depends on beside the text.
type Options struct {
	// Trust says whose signatures count; nil trusts nobody.
	Trust *trust.List
	// At is the time to verify for: now, as the caller knows it.
	At time.Time
	// Status, where set, is asked for the state of a genuine certificate before
	// the snapshots in Trust. It returns one of the states of a certificate,
	// [StatusUnknown] or [StatusNotPublished], and when that was true; ok is
	// false when it cannot say. It is called at most once for a statement, with
	// the identifier of an issuer that is trusted.
	Status func(ctx context.Context, issuerID, hcid string) (s vaccination.Status, asOf time.Time, ok bool)
	// MaxStatusAge is how old a status may be for a certificate to be called
	// valid; 0 means [DefaultMaxStatusAge], a negative one no limit.
	MaxStatusAge time.Duration
	// Language of the texts, one of [Languages]; another means English.
	Language string
	// Catalogue gives codes their names; nil leaves them as they are.
	Catalogue *catalogue.Catalogue
	// Rules, where set, are asked whether a valid certificate is also accepted, in
	// Country where they are a country's: a code of ISO 3166-1. They change no
	// verdict.
	Rules   *rules.Set
	Country string
}

// Text verifies the text of one code: an HCERT ("HC1:…"), a SMART Health Card
// ("shc:/…", of an old one all its codes with white space between them, or its
// JWS or file), a credential or ICAO's seal as JSON, or DIVOC's ZIP in any of its
// forms. It always returns a
// complete statement; a text that is no certificate is one that is not valid.
func Text(ctx context.Context, text string, o Options) Statement {
	c := newCheck(ctx, o)
	switch {
	case ctx.Err() != nil:
		c.refuse(Interrupted)
	case len(text) > MaxText:
		c.refuse(TooLarge)
	case strings.HasPrefix(text, "PK"):
		c.divoc([]byte(text))
	default:
		// A space can be the last character of a Base45 text: only what a line
		// ends with is cut off.
		text = strings.TrimRight(strings.TrimLeft(strings.TrimPrefix(text, "\ufeff"), " \t\r\n"), "\t\r\n")
		switch {
		case strings.HasPrefix(text, "HC1:"):
			c.hcert(text)
		case shc.IsCard(text):
			c.card(text)
		case strings.HasPrefix(text, "{"):
			c.json([]byte(text))
		case otherFormat(text):
			c.refuse(UnsupportedFormat)
		default:
			c.refuse(NotACertificate)
		}
	}
	return c.conclude()
}

// Unread is the statement for a file in which no code could be read; code is
// one of the reasons for that.
func Unread(code string, o Options) Statement {
	c := newCheck(context.Background(), o)
	c.refuse(code)
	return c.conclude()
}

// otherFormat knows certificates of kinds that are not verified here: later
// versions of HCERT, SMART Health Links, Verifiable Health Links.
func otherFormat(text string) bool {
	if len(text) > 4 && text[:2] == "HC" && text[3] == ':' {
		return true
	}
	for _, scheme := range []string{"shlink:/", "vhlink:/"} {
		if len(text) > len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

// json tells our credentials from DIVOC's, and these from files of cards.
func (c *check) json(data []byte) {
	if cards, ok := shc.Cards(data); ok {
		if len(cards) > 1 { // scan.File tells them apart
			c.s.Format = FormatSHC
			c.refuse(OneOfSeveral)
			return
		}
		c.card(cards[0])
		return
	}
	if seal, err := vdsnc.Decode(data); !errors.Is(err, vdsnc.ErrNotVDS) {
		c.seal(seal, err)
		return
	}
	cred, err := vc.Parse(data)
	if errors.Is(err, vc.ErrType) {
		if document, err := vc.ParseDocument(data); !errors.Is(err, vc.ErrType) {
			c.credential(document, err)
			return
		}
		c.divoc(data)
		return
	}
	c.vc(cred, err)
}

// check is one verification on its way to a Statement.
type check struct {
	ctx context.Context
	o   Options
	w   *words
	s   Statement
	// learnt is the state where the format has a way of its own to learn it.
	learnt *learnt
	// listedBy are the ids of the issuers that list the key that signed.
	listedBy []string
	// subject is what rules ask beside the content; issuedIn the issuer's country.
	subject  rules.Subject
	issuedIn string
}

// learnt is a state and whether its age counts: a list without a date is as new
// as the key that names it.
type learnt struct {
	status  vaccination.Status
	asOf    time.Time
	current bool
}

func newCheck(ctx context.Context, o Options) *check {
	return &check{ctx: ctx, o: o, w: wordsIn(o.Language), s: Statement{
		Format: FormatUnknown, Status: StatusUnknown, Reasons: []Note{}, Warnings: []Note{},
	}}
}

// refuse adds a reason, once.
func (c *check) refuse(code string) {
	if !c.s.Has(code) {
		c.s.Reasons = append(c.s.Reasons, Note{code, c.w.Notes[code]})
	}
}

func (c *check) warn(code string) {
	c.s.Warnings = append(c.s.Warnings, Note{code, c.w.Notes[code]})
}

// conclude is the only place where a verdict is made.
func (c *check) conclude() Statement {
	c.s.Verdict = verdictOf(c.s.Reasons)
	// Only content that was found genuine is shown, so a valid statement without
	// any would be a fault of ours: it must not pass.
	if c.s.Verdict == Valid && c.s.Content == nil {
		c.refuse(NotACertificate)
		c.s.Verdict = verdictOf(c.s.Reasons)
	}
	if c.s.Content != nil && c.s.Verdict != NotValid {
		c.warn(CompareIdentity)
		c.warn(PrintedWords)
	}
	if c.s.Specimen {
		c.warn(SpecimenW)
	}
	c.accept()
	return c.s
}

// malformed maps what a codec found wrong with the form: too large when the
// error is one of large, otherwise damaged.
func (c *check) malformed(err error, large ...error) {
	for _, l := range large {
		if errors.Is(err, l) {
			c.refuse(TooLarge)
			return
		}
	}
	c.refuse(Damaged)
}
