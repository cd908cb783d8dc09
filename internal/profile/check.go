package profile

import (
	"io/fs"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opendivoc/divoc/catalogue"
	"github.com/opendivoc/divoc/internal/emblem"
	"github.com/opendivoc/divoc/internal/strictyaml"
)

var (
	shortID  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	language = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	colour   = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	holder   = regexp.MustCompile(`\{[^}]*\}`)
)

// take checks doc and makes it p's. It reports every fault, not the first.
func (p *Profile) take(doc *document, dir fs.FS, f *strictyaml.Document) {
	country, ok := catalogue.CountryByCode(doc.Country)
	if !ok {
		f.At("country", "write the country's ISO 3166-1 code, such as JAM")
	}
	p.Country = country
	if !shortID.MatchString(doc.Issuer.ID) {
		f.At("issuer.id", "write a short name of small letters, digits and dashes")
	}
	if u, err := url.Parse(doc.PublicURL); err != nil || u.Scheme != "https" || u.Host == "" || strings.TrimSuffix(doc.PublicURL, "/") != doc.PublicURL || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		f.At("publicUrl", "write the permanent address as https://host, without a slash at the end")
	}
	p.PublicURL = doc.PublicURL
	var err error
	if p.TimeZone, err = time.LoadLocation(doc.TimeZone); err != nil || doc.TimeZone == "" || doc.TimeZone == "Local" {
		f.At("timeZone", "write a time zone of the IANA database, such as America/Jamaica")
	}
	if len(doc.Languages) == 0 {
		f.At("languages", "name at least one language, such as en")
	}
	for i, l := range doc.Languages {
		if !language.MatchString(l) || slices.Contains(doc.Languages[:i], l) {
			f.At("languages", "%q is no language tag such as en, or is there twice", l)
		}
	}
	p.Languages = doc.Languages
	p.Issuer = Issuer{ID: doc.Issuer.ID, Name: doc.Issuer.Name}
	p.translated(doc.Issuer.Name, "issuer.name", f)
	p.takePhone(doc.Phone, f)
	p.Identities, p.IdentityInQR = doc.Identities, doc.IdentityInQR
	for i, k := range doc.Identities {
		at := "identities." + strconv.Itoa(i+1)
		if !shortID.MatchString(k.Key) || slices.ContainsFunc(doc.Identities[:i], func(o IdentityKind) bool { return o.Key == k.Key }) {
			f.At(at, "key %q is no short name of small letters, digits and dashes, or is there twice", k.Key)
		}
		p.translated(k.Names, at+".names", f)
		if !slices.Contains(identityRules(), k.Rule) {
			f.At(at+".rule", "leave it out, or write nic-lk for Sri Lanka's National Identity Card")
		}
	}
	p.takeCitizenIdentity(doc.Citizens, f)
	if p.OtherFactor = doc.OtherFactor; p.OtherFactor == "" {
		p.OtherFactor = FactorDoseDate
	}
	if !slices.Contains([]string{FactorDoseDate, FactorLot, FactorNone}, p.OtherFactor) {
		f.At("otherFactor", "write dose-date, lot or none, or leave it out for dose-date")
	}
	p.takeProgrammes(doc, f)
	if doc.MaxStatusAge < 1 || doc.MaxStatusAge > 24*366 {
		f.At("maxStatusAgeHours", "write how many hours a status may be old, 1 to 8784")
	}
	p.MaxStatusAge = time.Duration(doc.MaxStatusAge) * time.Hour
	p.CaseTime = time.Duration(within(doc.CaseHours, 72, 1, 24*90, func() {
		f.At("caseHours", "write in how many hours a case is decided, 1 to 2160, or leave it out for 72")
	})) * time.Hour
	p.GuardianAge = within(doc.GuardianAge, 18, 10, 25, func() {
		f.At("guardianAge", "write at which age a guardian's telephone reaches a person's certificates no more, 10 to 25, or leave it out for 18")
	})
	if doc.KeepRows != nil {
		p.KeepWrongRows = time.Duration(*doc.KeepRows) * 24 * time.Hour
		if *doc.KeepRows < 1 || *doc.KeepRows > 3660 {
			f.At("keepWrongRowsDays", "write for how many days wrong rows of uploads are kept, 1 to 3660, or leave it out for 90")
		}
	}
	p.takeMessaging(doc.Messaging, f)
	p.takeMessages(doc.Messages, f)
	p.takeTheme(doc.Theme, dir, f)
	p.takeLaw(doc, f)
}

// within is a number that may be left out, between two others.
func within(n *int, usual, least, most int, wrong func()) int {
	if n == nil {
		return usual
	}
	if *n < least || *n > most {
		wrong()
	}
	return *n
}

// translated wants a text in each of the profile's languages, and in no other.
func (p *Profile) translated(texts map[string]string, at string, f *strictyaml.Document) {
	for _, l := range p.Languages {
		if strings.TrimSpace(texts[l]) == "" {
			f.At(at, "the text in %q is missing", l)
		}
	}
	for _, l := range slices.Sorted(maps.Keys(texts)) {
		if !slices.Contains(p.Languages, l) {
			f.At(at+"."+l, "%q is not one of the profile's languages", l)
		}
	}
}

func (p *Profile) takePhone(doc phoneDocument, f *strictyaml.Document) {
	r := PhoneRules{
		CountryCode: doc.CountryCode, Trunk: doc.Trunk, National: doc.National,
		Shared: doc.Shared, Example: doc.Example, Unreachable: doc.Unreachable,
	}
	if !regexp.MustCompile(`^[1-9][0-9]{0,2}$`).MatchString(r.CountryCode) {
		f.At("phone.countryCode", "write the digits after +, in quotes, such as \"94\"")
	}
	if strings.Trim(r.Trunk, "0123456789") != "" {
		f.At("phone.trunk", "write digits in quotes, such as \"0\", or leave it out")
	}
	if len(r.National) == 0 {
		f.At("phone.national", "write at least one pattern of a national number, such as '7[0-9]{8}'")
	}
	var err error
	if r.national, err = regexp.Compile(`^(?:` + strings.Join(r.National, "|") + `)$`); err != nil {
		f.At("phone.national", "%v", err)
	}
	if r.Shared != "" {
		if r.shared, err = regexp.Compile(`^(?:` + r.Shared + `)$`); err != nil {
			f.At("phone.shared", "%v", err)
		}
	}
	if r.Unreachable != "keep" && r.Unreachable != "refuse" {
		f.At("phone.unreachable", "write keep or refuse")
	}
	p.PhoneRules = r
	if r.national == nil || r.Shared != "" && r.shared == nil {
		return
	}
	if _, err := p.Phone(r.Example); err != nil {
		f.At("phone.example", "write a number that these rules take")
	}
}

func (p *Profile) takeProgrammes(doc *document, f *strictyaml.Document) {
	p.Programmes = map[string]*Programme{}
	old := false // some programme is issued in DIVOC's own format
	for _, key := range slices.Sorted(maps.Keys(doc.Programmes)) {
		at := "programmes." + key
		d := doc.Programmes[key]
		if d == nil {
			f.At(at, "the programme is empty")
			continue
		}
		if !shortID.MatchString(key) {
			f.At(at, "a programme's key is a short name of small letters, digits and dashes")
		}
		p.translated(d.Names, at+".names", f)
		if p.Catalogue.Disease(d.Disease).IsZero() {
			f.At(at+".disease", "there is no disease %q in the catalogue", d.Disease)
		}
		for _, k := range d.Products {
			if product, ok := p.Catalogue.Product(k); !ok || product.Disease != d.Disease {
				f.At(at+".products", "the catalogue has no product %q against %s", k, d.Disease)
			}
		}
		if !knownPayloads(d.Payloads) {
			f.At(at+".payloads", "write [ddcc], or [ddcc, divoc] where verifiers of DIVOC's own format are in use")
		}
		old = old || slices.Contains(d.Payloads, PayloadDIVOC)
		if d.Kind == "test" {
			takeTests(d, at, f)
		} else {
			takeDoses(d, at, f)
		}
		if _, ok := p.Layouts[d.Layout]; !ok {
			f.At(at+".layout", "there is no file layouts/%s.yaml", d.Layout)
		}
		contact := contactYAML{}
		if d.Contact != nil {
			contact = *d.Contact
		}
		p.Programmes[key] = &Programme{
			ContactPhone: contact.Phone, ContactEmail: contact.Email,
			Key: key, Tests: d.Kind == "test", Names: d.Names, Disease: d.Disease, Doses: d.Doses, Products: d.Products, Payloads: d.Payloads,
			Incomplete: d.Incomplete, ValidYears: d.ValidYears, ValidFromDays: d.ValidFromDays, ValidHours: d.ValidHours, RecoveryFromAntigen: d.RecoveryFromAntigen, Layout: d.Layout,
		}
	}
	if p.DIVOCKey = doc.DIVOCKey; old && p.DIVOCKey != "rsa" && p.DIVOCKey != "ed25519" {
		f.At("divocKey", "write rsa, which every verifier of DIVOC's format reads, or ed25519")
	} else if !old && p.DIVOCKey != "" {
		f.At("divocKey", "leave it out, or write divoc among the payloads of a programme")
	}
	p.takeNetworks(doc, f)
	p.DefaultProgramme, p.SourceProgrammes = doc.Default, doc.Sources
	if doc.Programmes[doc.Default] == nil {
		f.At("defaultProgramme", "name one of the programmes")
	}
	for _, source := range slices.Sorted(maps.Keys(doc.Sources)) {
		if doc.Programmes[doc.Sources[source]] == nil {
			f.At("sourceProgrammes."+source, "name one of the programmes")
		}
	}
}

// takeDoses checks what is said of doses.
func takeDoses(d *programmeYAML, at string, f *strictyaml.Document) {
	if d.Kind != "" {
		f.At(at+".kind", "write test where results of tests are certified, or leave it out")
	}
	if d.Doses < 0 || d.Doses > 99 {
		f.At(at+".doses", "write how many doses the schedule expects, or 0 for an open one")
	}
	if d.Incomplete != "refuse" && d.Incomplete != "domestic" {
		f.At(at+".incomplete", "write refuse or domestic")
	}
	if d.ValidYears < 1 || d.ValidYears > 20 {
		f.At(at+".validYears", "write for how many years a certificate is valid, 1 to 20")
	}
	if d.ValidFromDays < 0 || d.ValidFromDays > 366 {
		f.At(at+".validFromDays", "write after how many days the vaccine counts, 0 to 366")
	}
	if d.ValidHours != 0 {
		f.At(at+".validHours", "leave it out, or write kind: test")
	}
	if d.Contact != nil {
		f.At(at+".contact", "leave it out, or write kind: test")
	}
	if d.RecoveryFromAntigen {
		f.At(at+".recoveryFromAntigen", "leave it out, or write kind: test")
	}
}

// takeTests checks what is said of a programme that certifies results of tests.
func takeTests(d *programmeYAML, at string, f *strictyaml.Document) {
	if d.Disease != "covid-19" {
		f.At(at+".disease", "write covid-19: the formats have codes for no other test")
	}
	if d.Doses != 0 || len(d.Products) > 0 || d.ValidYears != 0 || d.ValidFromDays != 0 || d.Incomplete != "" {
		f.At(at+".kind", "a programme of tests has no doses, products, incomplete, validYears and validFromDays: leave them out")
	}
	if c := d.Contact; c != nil && (!strings.HasPrefix(c.Phone, "+") || len(c.Phone) > 20 || strings.Trim(c.Phone, "+0123456789 ") != "") {
		f.At(at+".contact.phone", "write whom borders ask about a test, as +18765550100")
	}
	if c := d.Contact; c != nil && !address(c.Email) {
		f.At(at+".contact.email", "write one address, such as tests@example.org")
	}
	d.Incomplete = "refuse" // what a test needs, every record has to say
	if d.ValidHours < 1 || d.ValidHours > 24*366 {
		f.At(at+".validHours", "write for how many hours after the sample a certificate is valid, 1 to 8784")
	}
}

func (p *Profile) takeNetworks(doc *document, f *strictyaml.Document) {
	p.Networks, p.ICVPClaim = doc.Networks, doc.ICVPClaim
	for i, n := range doc.Networks {
		if n != NetworkGDHCN && n != NetworkSHC && n != NetworkICAO || slices.Contains(doc.Networks[:i], n) {
			f.At("networks", "write those of gdhcn, shc and icao that the issuer has joined, each once")
		}
	}
	// 1 to 5 mean other contents, and -1000 our own.
	if n := doc.ICVPClaim; n >= 1 && n <= 5 || n < -999 || n > 999 {
		f.At("icvpSubClaim", "write the number that WHO gave to ICVP, -6 until then, or leave it out")
	}
}

// knownPayloads reports whether list is ddcc, with or without divoc, each once.
func knownPayloads(list []string) bool {
	for i, s := range list {
		if s != PayloadDDCC && s != PayloadDIVOC || slices.Contains(list[:i], s) {
			return false
		}
	}
	return slices.Contains(list, PayloadDDCC)
}

func (p *Profile) takeTheme(doc themeDocument, dir fs.FS, f *strictyaml.Document) {
	for at, c := range map[string]string{"theme.primary": doc.Primary, "theme.accent": doc.Accent} {
		if !colour.MatchString(c) {
			f.At(at, "write a colour in quotes, such as \"#1d70b8\"")
		}
	}
	if colour.MatchString(doc.Primary) && ContrastWithWhite(doc.Primary) < 4.5 {
		f.At("theme.primary", "choose a darker colour: white text on it cannot be read (WCAG 2.2, contrast 4.5:1)")
	}
	p.Theme = Theme{Primary: doc.Primary, Accent: doc.Accent}
	if !fs.ValidPath(doc.Emblem) {
		f.At("theme.emblem", "name an SVG file of this folder")
		return
	}
	b, err := readFile(dir, doc.Emblem)
	if err != nil {
		f.At("theme.emblem", "there is no file %s that can be read", doc.Emblem)
		return
	}
	if p.Theme.Drawing, err = emblem.Parse(b); err != nil {
		f.At("theme.emblem", "%s: %v", doc.Emblem, err)
	}
	p.Theme.Emblem = b
}

// ContrastWithWhite is the contrast ratio of a colour, "#rrggbb", and white, 1 to
// 21, as WCAG 2.2 defines it.
func ContrastWithWhite(hex string) float64 {
	luminance := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, _ := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8) // the caller checked the form
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		luminance += weight * c
	}
	return 1.05 / (luminance + 0.05)
}
