package issuance

import (
	"context"
	"slices"
	"strings"

	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/credential/fhirdoc"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/profile"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// Format is a signed form of a certificate that somebody may ask for. The values
// are stable: they stand in paths, in the database and in the audit.
type Format string

// The formats, those that every certificate is issued in first. The W3C credential
// can be had with proofs of other cryptosuites too.
const (
	FormatCode     Format = "code" // the HCERT on its page: WHO DDCC, or a domestic certificate
	FormatVC       Format = "vc"   // the W3C credential
	FormatVCEdRDF  Format = "vc-" + vc.EdDSARDFC
	FormatVCECRDF  Format = "vc-" + vc.ECDSARDFC
	FormatVCECJCS  Format = "vc-" + vc.ECDSAJCS
	FormatEU       Format = "eu-dcc"          // EU digital COVID certificate
	FormatRecovery Format = "eu-dcc-recovery" // the same of who has recovered, from their positive test
	FormatICVP     Format = "icvp"            // WHO's digital certificate of vaccination or prophylaxis
	FormatSHC      Format = "shc"             // SMART Health Card
	FormatDIVOC    Format = "divoc"           // DIVOC's own
	FormatVDS      Format = "vds-nc"          // ICAO's seal
	FormatFHIR     Format = "fhir"            // WHO's DDCC document in FHIR R4
)

// Why a certificate cannot be had in a format, beside what is missing in it.
// The codes are stable; internal/web/locale says each to people.
const (
	NotOffered  = "not-offered"  // the programme's profile does not ask for the format
	NotCurrent  = "not-current"  // revoked or superseded
	IsSuspended = "suspended"    // and the format would have no word for it
	IsDomestic  = "domestic"     // issued for use in the country alone
	NoSigner    = "no-signer"    // no key that the format's verifiers accept
	OtherKind   = "other-kind"   // the format certifies other diseases
	TooLong     = "does-not-fit" // the code would be larger than a code can be
	IsOver      = "over"         // the time that it may say is past
	NotPositive = "not-positive" // a recovery is certified from a positive result
	OtherTest   = "other-test"   // of a kind that proves no recovery
	TooEarly    = "too-early"    // before the eleventh day after the sample was taken
	NotFirst    = "not-first"    // an earlier positive test of the infection is recorded
)

// Offer says of one format whether a certificate can be had in it.
type Offer struct {
	Format Format
	// Missing are the elements that the format requires and the certificate does
	// not have, as paths in the JSON of vaccination.Certificate ("birthDate").
	Missing []string
	// Refused is one of the codes above, empty where nothing but Missing stands
	// against it.
	Refused string
	// Pilot: the issuer has not joined the network in which the format is
	// recognised, so verifiers abroad will not recognise this.
	Pilot bool
	// Made: it was exported before, and the same will be handed out.
	Made bool
	// Code: it has a QR code.
	Code bool
}

// Possible reports whether the certificate can be had in the format.
func (o Offer) Possible() bool { return len(o.Missing) == 0 && o.Refused == "" }

// Exported is a certificate in one format.
type Exported struct {
	Format    Format
	Body      []byte // the file
	MediaType string // of Body
	FileName  string // for Body; says nothing of the person
	Code      string // the text of its QR code, "" where it has none
	Pilot     bool
}

// Exports says in which formats a certificate can be had, in a fixed order, and
// what stands against each. The reading is an entry of the audit.
func (s *Service) Exports(ctx context.Context, by access.Caller, id vaccination.CertificateID) ([]Offer, error) {
	r, err := s.ByID(ctx, by, id, "exports")
	if err != nil {
		return nil, err
	}
	return s.ExportsOf(ctx, r)
}

// ExportsOf is [Service.Exports] for a certificate that the caller was shown.
func (s *Service) ExportsOf(ctx context.Context, r *Record) ([]Offer, error) {
	rows, err := s.Store.Read().ExportsOf(ctx, query.ExportsOfParams{Bucket: r.row.Bucket, Certificate: r.ID[:]})
	if err != nil {
		return nil, err
	}
	var made []Format
	for _, row := range rows {
		made = append(made, Format(row.Format))
	}
	var out []Offer
	for _, f := range s.formats() {
		o, err := s.offer(ctx, f, r)
		if err != nil {
			return nil, err
		}
		o.Made = slices.Contains(made, f.format)
		out = append(out, o)
	}
	return out, nil
}

// Export returns a certificate in a format. It is made once, kept, and the same
// from then on; each time is an entry of the audit. The certificate's state is
// that of all its forms: what is revoked, superseded or suspended is so in each.
//
// An unknown format, or one that the programme does not have, is
// [vaccination.NotFound]; a certificate that is not valid is
// [vaccination.Conflict]; one that the format cannot carry is
// [vaccination.Invalid] and names what is missing; where no key of ours may sign
// it, it is [vaccination.Unavailable].
func (s *Service) Export(ctx context.Context, by access.Caller, id vaccination.CertificateID, format Format) (*Exported, error) {
	r, err := s.ByID(ctx, by, id, "export")
	if err != nil {
		return nil, err
	}
	return s.ExportRecord(ctx, by, r, format)
}

// exportFormat is one line of the registry of formats.
type exportFormat struct {
	format Format
	// stored: it was signed when the certificate was issued, or says nothing beyond
	// what was; it is kept with the certificate and not once more.
	stored bool
	code   bool
	// network is what an issuer has to join, "" where nobody does.
	network string
	// ownTime: what it says counts longer than the certificate.
	ownTime bool
	// refused is one of the codes above, or "".
	refused func(r *Record) string
	// related is refused of what other records say, asked where nothing else stands
	// against it.
	related func(ctx context.Context, r *Record) (string, error)
	// missing returns what the format requires and r does not have.
	missing func(r *Record) []string
	// sign makes it. What it returns is kept: the file, the text of the code where
	// that is another, and how lists of withdrawn certificates name it.
	sign func(r *Record) (export, error)
	// media type and name of the file.
	mediaType, fileName string
}

// export is what was signed.
type export struct {
	body   []byte
	code   string
	keyID  string
	handle string
}

// formats is the registry: a line per format.
func (s *Service) formats() []exportFormat {
	return []exportFormat{
		{
			format: FormatCode, stored: true, code: true, network: profile.NetworkGDHCN, mediaType: "text/plain; charset=utf-8", fileName: "certificate.txt",
			sign: func(r *Record) (export, error) { return export{body: []byte(r.Code), code: r.Code}, nil },
		},
		{
			format: FormatVC, stored: true, mediaType: "application/vc", fileName: "certificate.jsonld",
			sign: func(r *Record) (export, error) { return export{body: r.Document}, nil },
		},
		s.credential(FormatVCEdRDF, vc.EdDSARDFC),
		s.credential(FormatVCECRDF, vc.ECDSARDFC),
		s.credential(FormatVCECJCS, vc.ECDSAJCS),
		{
			format: FormatEU, code: true, network: profile.NetworkGDHCN, mediaType: "text/plain; charset=utf-8", fileName: "eu-dcc.txt",
			refused: func(r *Record) string {
				switch {
				case r.Certificate.IsTest():
					if !s.maySign(trust.Test) {
						return NoSigner
					}
				case r.Certificate.Vaccination.Disease.Code != s.Profile.Catalogue.Disease("covid-19").Code:
					return OtherKind
				case r.Certificate.Domestic:
					return IsDomestic
				}
				return ""
			},
			missing: func(r *Record) []string { return hcert.MissingEU(r.Certificate, s.Profile.Catalogue) },
			sign: func(r *Record) (export, error) {
				return s.signHCERT(r.Certificate, func(c vaccination.Certificate, key hcert.Signer) ([]byte, error) {
					return hcert.EncodeEU(c, s.Profile.Catalogue, key)
				})
			},
		},
		{
			format: FormatRecovery, code: true, ownTime: true, network: profile.NetworkGDHCN, mediaType: "text/plain; charset=utf-8", fileName: "eu-dcc-recovery.txt",
			refused: s.noRecovery,
			related: s.notFirst,
			missing: func(r *Record) []string { return hcert.MissingEU(s.recovered(r.Certificate), s.Profile.Catalogue) },
			sign:    s.signRecovery,
		},
		{
			format: FormatICVP, code: true, network: profile.NetworkGDHCN, mediaType: "text/plain; charset=utf-8", fileName: "icvp.txt",
			refused: func(r *Record) string {
				if r.Certificate.IsTest() || r.Certificate.Vaccination.Disease.Code == s.Profile.Catalogue.Disease("covid-19").Code {
					return OtherKind // WHO's list of products has none against it
				}
				return ""
			},
			missing: func(r *Record) []string { return hcert.MissingICVP(r.Certificate, s.icvpProduct(r)) },
			sign: func(r *Record) (export, error) {
				return s.signHCERT(r.Certificate, func(c vaccination.Certificate, key hcert.Signer) ([]byte, error) {
					if !s.Profile.IdentityInQR {
						c.Identifier = vaccination.Identifier{}
					}
					return hcert.EncodeICVP(c, s.icvpProduct(r), s.Profile.ICVPClaim, key)
				})
			},
		},
		{
			format: FormatSHC, code: true, network: profile.NetworkSHC, mediaType: "application/smart-health-card", fileName: "certificate.smart-health-card",
			refused: func(r *Record) string {
				switch {
				case r.Certificate.IsTest() && !s.maySign(trust.Test):
					return NoSigner
				case !strings.HasPrefix(s.PublicURL, "https://"):
					return NoSigner // a card's issuer is an https URL
				}
				return ""
			},
			missing: func(r *Record) []string { return shc.Missing(r.Certificate, s.Profile.Catalogue) },
			sign:    s.signCard,
		},
		{
			format: FormatVDS, code: true, network: profile.NetworkICAO, mediaType: "application/json", fileName: "certificate.vds.json",
			refused: s.noSeal,
			missing: s.missingSeal,
			sign:    s.signSeal,
		},
		{
			format: FormatDIVOC, code: true, mediaType: "application/ld+json", fileName: "certificate.json",
			refused: func(r *Record) string {
				if pr, ok := s.Profile.Programmes[r.Programme]; !ok || !pr.Offers(profile.PayloadDIVOC) {
					return NotOffered
				}
				if s.Keys.DIVOC() == nil {
					return NoSigner
				}
				return ""
			},
			missing: func(r *Record) []string { return divocqr.Missing(r.Certificate) },
			sign:    s.signDIVOC,
		},
		{
			format: FormatFHIR, stored: true, network: profile.NetworkGDHCN, mediaType: "application/fhir+json", fileName: "certificate.fhir.json",
			refused: func(r *Record) string {
				switch {
				case r.Certificate.IsTest():
					return OtherKind // we write none of results
				case r.Certificate.Domestic:
					return IsDomestic
				}
				return ""
			},
			missing: func(r *Record) []string { return fhirdoc.Missing(r.Certificate) },
			sign:    s.document,
		},
	}
}

// offer is what f says of r before anything is signed.
func (s *Service) offer(ctx context.Context, f exportFormat, r *Record) (o Offer, err error) {
	o = Offer{Format: f.format, Code: f.code, Pilot: f.network != "" && !s.Profile.Joined(f.network)}
	switch {
	case r.Status.Final():
		o.Refused = NotCurrent
	case f.stored && f.refused == nil:
	case r.Status == vaccination.StatusSuspended:
		o.Refused = IsSuspended
	case !f.stored && !f.ownTime && s.over(r):
		o.Refused = IsOver
	case f.refused != nil:
		o.Refused = f.refused(r)
	}
	if f.missing != nil && o.Refused == "" {
		o.Missing = f.missing(r)
	}
	if f.related != nil && o.Possible() {
		o.Refused, err = f.related(ctx, r)
	}
	return o, err
}

// over reports whether the certificate's own time is past.
func (s *Service) over(r *Record) bool {
	end := r.Certificate.Info.Period.End
	return !end.IsZero() && s.Now().After(end)
}
