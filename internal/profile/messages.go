package profile

import (
	"embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/opendivoc/divoc/internal/gsm"
	"github.com/opendivoc/divoc/internal/strictyaml"
)

// Messages are the texts sent to people in one language, by template. They say
// nothing of health, and nothing that signs anybody in.
type Messages map[string]string

// The templates.
const (
	MessageReady          = "ready"           // a new certificate
	MessageCorrected      = "corrected"       // a new version of one
	MessageRevoked        = "revoked"         // it counts no more
	MessageSuspended      = "suspended"       // it does not count for now
	MessageRestored       = "restored"        // it counts again
	MessageCode           = "code"            // to prove a number
	MessageCodeEmail      = "code-email"      // to prove an address
	MessageContactChanged = "contact-changed" // to the old and the new number
	MessageCaseReceived   = "case-received"
	MessageCaseDecided    = "case-decided"
	MessageGuardianLinked = "guardian-linked"
	MessageGuardianEnded  = "guardian-ended"
	MessageOnDemandReady  = "on-demand-ready" // what could not be given at once
	MessageMailLink       = "mail-link"       // an e-mail somebody asked for
	MessageCampaign       = "campaign"        // where a campaign has no text of its own
	MessageAuditHeads     = "audit-heads"     // by e-mail, to the auditor: where the chains of the audit end
	MessageSubject        = "subject"         // of every e-mail
)

// Places are what a template may and must have put in: {link}, {code} and so on.
// ok is false for a template that there is not.
func Places(template string) (places []string, ok bool) {
	switch template {
	case MessageReady, MessageCorrected, MessageRevoked, MessageSuspended, MessageRestored, MessageContactChanged,
		MessageGuardianLinked, MessageGuardianEnded, MessageMailLink, MessageCampaign:
		return []string{"link"}, true
	case MessageCode, MessageCodeEmail:
		return []string{"code", "minutes"}, true
	case MessageCaseReceived, MessageCaseDecided, MessageOnDemandReady:
		return []string{"reference", "link"}, true
	case MessageAuditHeads:
		return []string{"hash", "link", "number"}, true
	case MessageSubject:
		return []string{"issuer"}, true
	default:
		return nil, false
	}
}

// Templates lists all templates.
func Templates() []string {
	return []string{
		MessageReady, MessageCorrected, MessageRevoked, MessageSuspended, MessageRestored, MessageCode, MessageCodeEmail, MessageContactChanged,
		MessageCaseReceived, MessageCaseDecided, MessageGuardianLinked, MessageGuardianEnded, MessageOnDemandReady, MessageMailLink, MessageCampaign, MessageAuditHeads, MessageSubject,
	}
}

// Messaging says when messages are sent, and how many.
type Messaging struct {
	// Send are the templates that issuing sends by itself, of those about a
	// certificate.
	Send []string
	// MaxAge is how old a dose may be for its certificate to be told of: what is
	// older was brought from elsewhere, and is for a campaign.
	MaxAge time.Duration
	// Expire is how long a notice is of use.
	Expire time.Duration
	// QuietFrom and QuietTo are the minutes of the day, in the country's time,
	// between which no notice is sent as SMS; equal means always sending.
	QuietFrom, QuietTo int
	MaxParts           int // of one SMS
	// CodesAlarm and CodesStop are how many codes an hour raise an alarm, and how
	// many are the end of it.
	CodesAlarm, CodesStop int
	PricePerPart          float64 // of one part of an SMS, for campaigns; 0 where it is not known
	Currency              string

	premium *regexp.Regexp
}

type messagingDocument struct {
	Send         []string `yaml:"send"`
	MaxAgeDays   *int     `yaml:"maxAgeDays"`
	ExpireHours  *int     `yaml:"expireHours"`
	QuietHours   string   `yaml:"quietHours"`
	MaxParts     *int     `yaml:"maxParts"`
	Premium      []string `yaml:"premium"`
	CodesAlarm   *int     `yaml:"codesPerHourAlarm"`
	CodesStop    *int     `yaml:"codesPerHourStop"`
	PricePerPart float64  `yaml:"pricePerPart"`
	Currency     string   `yaml:"currency"`
}

//go:embed messages/*.yaml
var defaultMessages embed.FS

// defaultsOf are the texts of a language where a profile has none of its own.
func defaultsOf(language string) (Messages, error) {
	text, err := defaultMessages.ReadFile("messages/" + language + ".yaml")
	if err != nil {
		return Messages{}, nil //nolint:nilerr // a language that we have no texts in
	}
	var m Messages
	return m, yaml.Unmarshal(text, &m)
}

func (p *Profile) takeMessages(messages map[string]Messages, f *strictyaml.Document) {
	for _, l := range slices.Sorted(maps.Keys(messages)) {
		if !slices.Contains(p.Languages, l) {
			f.At("messages."+l, "%q is not one of the profile's languages", l)
		}
		for _, key := range slices.Sorted(maps.Keys(messages[l])) {
			if _, ok := Places(key); !ok {
				f.At("messages."+l+"."+key, "there is no such message%s", strictyaml.Nearest(key, Templates()))
			}
		}
	}
	p.Messages = map[string]Messages{}
	for _, l := range p.Languages {
		all, err := defaultsOf(l)
		if err != nil {
			f.At("messages."+l, "%v", err)
		}
		maps.Copy(all, messages[l])
		p.Messages[l] = all
		for _, key := range Templates() {
			if err := p.CheckMessage(key, all[key]); err != nil {
				f.At("messages."+l+"."+key, "%v", err)
			}
		}
	}
}

// MyPath is the citizen's page, to which messages link.
const MyPath = "/my"

// Example is the text of a template with values of the usual length.
func (p *Profile) Example(text string) string {
	link := p.PublicURL + MyPath
	return Fill(text, map[string]string{"link": link, "code": "482913", "minutes": "5", "reference": "K7M2-9QXD", "number": "365", "hash": strings.Repeat("0f", 32), "issuer": p.IssuerName(p.Languages[0])})
}

// CheckMessage says what is wrong with a text of a template: a place that it may
// not or must have, characters that no message can carry, too many parts.
func (p *Profile) CheckMessage(template, text string) error {
	places, ok := Places(template)
	if !ok {
		return fmt.Errorf("there is no such message%s", strictyaml.Nearest(template, Templates()))
	}
	var want []string
	for _, place := range places {
		want = append(want, "{"+place+"}")
	}
	got := holder.FindAllString(text, -1)
	slices.Sort(got)
	sorted := slices.Sorted(slices.Values(want))
	if strings.TrimSpace(text) == "" || !slices.Equal(got, sorted) || strings.Count(text, "{") != len(got) || strings.Count(text, "}") != len(got) {
		return fmt.Errorf("write a text with %s in it, once, and no other {…}", strings.Join(want, " and "))
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd || r >= 0x2028 && r <= 0x202e }) {
		return fmt.Errorf("write it on one line, without characters that are not seen")
	}
	if template == MessageSubject || template == MessageCodeEmail || template == MessageMailLink || template == MessageAuditHeads {
		if len(text) > 1000 {
			return fmt.Errorf("write at most 1000 bytes")
		}
		return nil // e-mail
	}
	if size := gsm.Measure(p.Example(text)); size.Parts > p.Messaging.MaxParts {
		return fmt.Errorf("it takes %d SMS parts with the link (%d characters in %s) and may take %d: shorten it", size.Parts, size.Units, size.Alphabet, p.Messaging.MaxParts)
	}
	return nil
}

// Fill puts values into the places of a text.
func Fill(text string, values map[string]string) string {
	return holder.ReplaceAllStringFunc(text, func(place string) string { return values[place[1:len(place)-1]] })
}

// Message is the text of a template in a language, in the profile's first where
// there is none.
func (p *Profile) Message(language, template string) string {
	if text := p.Messages[language][template]; text != "" {
		return text
	}
	return p.Messages[p.Languages[0]][template]
}

func (p *Profile) takeMessaging(doc messagingDocument, f *strictyaml.Document) {
	number := func(key string, v *int, usual, least, most int) int {
		if v == nil {
			return usual
		}
		if *v < least || *v > most {
			f.At("messaging."+key, "write a number from %d to %d, or leave it out for %d", least, most, usual)
			return usual
		}
		return *v
	}
	m := Messaging{Send: doc.Send, PricePerPart: doc.PricePerPart, Currency: doc.Currency}
	about := []string{MessageReady, MessageCorrected, MessageRevoked, MessageSuspended, MessageRestored}
	if m.Send == nil {
		m.Send = about
	}
	for _, key := range m.Send {
		if !slices.Contains(about, key) {
			f.At("messaging.send", "%q is none of %s", key, strings.Join(about, ", "))
		}
	}
	m.MaxAge = time.Duration(number("maxAgeDays", doc.MaxAgeDays, 30, 0, 3660)) * 24 * time.Hour
	m.Expire = time.Duration(number("expireHours", doc.ExpireHours, 72, 1, 24*30)) * time.Hour
	m.MaxParts = number("maxParts", doc.MaxParts, 3, 1, 6)
	m.CodesAlarm = number("codesPerHourAlarm", doc.CodesAlarm, 5000, 1, 10_000_000)
	m.CodesStop = number("codesPerHourStop", doc.CodesStop, 50_000, 1, 100_000_000)
	if m.CodesStop < m.CodesAlarm {
		f.At("messaging.codesPerHourStop", "the end comes after the alarm: write more than codesPerHourAlarm")
	}
	quiet := doc.QuietHours
	if quiet == "" {
		quiet = "21:00-08:00"
	}
	var err error
	if m.QuietFrom, m.QuietTo, err = quietHours(quiet); err != nil {
		f.At("messaging.quietHours", "write them as 21:00-08:00, or none")
	}
	if len(doc.Premium) > 0 {
		if m.premium, err = regexp.Compile(`^(?:` + strings.Join(doc.Premium, "|") + `)$`); err != nil {
			f.At("messaging.premium", "%v", err)
		}
	}
	if m.PricePerPart < 0 || m.PricePerPart > 1000 || (m.PricePerPart > 0) != (m.Currency != "") || m.Currency != "" && !regexp.MustCompile(`^[A-Z]{3}$`).MatchString(m.Currency) {
		f.At("messaging.pricePerPart", "write what one part of an SMS costs, with currency beside it, such as LKR")
	}
	p.Messaging = m
}

func quietHours(text string) (from, to int, err error) {
	if text == "none" {
		return 0, 0, nil
	}
	a, b, _ := strings.Cut(text, "-")
	for i, s := range []string{a, b} {
		at, err := time.Parse("15:04", s)
		if err != nil {
			return 0, 0, err
		}
		if minute := at.Hour()*60 + at.Minute(); i == 0 {
			from = minute
		} else {
			to = minute
		}
	}
	return from, to, nil
}

// Quiet reports whether notices rest at a time, and until when.
func (p *Profile) Quiet(at time.Time) (until time.Time, quiet bool) {
	from, to := p.Messaging.QuietFrom, p.Messaging.QuietTo
	local := at.In(p.TimeZone)
	minute := local.Hour()*60 + local.Minute()
	switch {
	case from < to && (minute < from || minute >= to), from > to && minute >= to && minute < from, from == to:
		return time.Time{}, false
	}
	day := local.Day()
	if minute >= to {
		day++
	}
	return time.Date(local.Year(), local.Month(), day, to/60, to%60, 0, 0, p.TimeZone), true
}

// Sendable reports whether an SMS may go to a number in E.164: one of the own
// country by the profile's rules, and none that costs more. A whole country code
// that others share is never enough.
func (p *Profile) Sendable(e164 string) bool {
	digits, ok := strings.CutPrefix(e164, "+"+p.PhoneRules.CountryCode)
	if !ok || !p.PhoneRules.national.MatchString(digits) {
		return false
	}
	return p.Messaging.premium == nil || !p.Messaging.premium.MatchString(digits)
}
