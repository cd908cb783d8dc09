package issuance

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"rsc.io/qr"

	"github.com/opendivoc/divoc/credential/divocqr"
	"github.com/opendivoc/divoc/credential/fhirdoc"
	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/shc"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/credential/vdsnc"
	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/registry/pack"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/vaccination"
)

// ExportRecord is [Service.Export] for a certificate that by was shown.
func (s *Service) ExportRecord(ctx context.Context, by access.Caller, r *Record, format Format) (*Exported, error) {
	if err := s.notHeld(ctx, s.Store.Read()); err != nil {
		return nil, err
	}
	for _, f := range s.formats() {
		if f.format != format {
			continue
		}
		o, err := s.offer(ctx, f, r)
		if err == nil {
			err = o.err(r)
		}
		if err != nil {
			return nil, err
		}
		e, err := s.export(ctx, by, f, r)
		if err != nil {
			return nil, refusedByFormat(err)
		}
		return &Exported{Format: f.format, Body: e.body, MediaType: f.mediaType, FileName: f.fileName, Code: e.code, Pilot: o.Pilot}, nil
	}
	return nil, vaccination.Errorf(vaccination.NotFound, "certificates are not issued in this format")
}

// err says why a certificate cannot be had in a format, to whoever asked for it
// without looking at the offer first.
func (o Offer) err(r *Record) error {
	switch o.Refused {
	case "":
	case NotOffered:
		return vaccination.Errorf(vaccination.NotFound, "certificates of this programme are not issued in this format: its profile does not ask for it")
	case IsSuspended:
		return vaccination.Errorf(vaccination.Conflict, "this certificate is suspended: it is not signed in another format until that is over")
	case NotCurrent:
		return vaccination.Errorf(vaccination.Conflict, "this certificate is %s; ask for the current one", r.Status)
	case NoSigner:
		return vaccination.Errorf(vaccination.Unavailable, "there is no key yet that verifiers of this format accept: whoever runs this system has to import one, start the server again, which makes those that its profile asks for, or make a new one for codes (divoc keys rotate --set signing)")
	case IsDomestic:
		return vaccination.Errorf(vaccination.Invalid, "this certificate is for use in its own country: it misses what other countries require")
	case OtherKind:
		return vaccination.Errorf(vaccination.Invalid, "this format certifies something else")
	case IsOver:
		return vaccination.Errorf(vaccination.Invalid, "the time in which this could be relied on is over")
	case NotPositive:
		return vaccination.Errorf(vaccination.Invalid, "a certificate of recovery is made from a positive result")
	case OtherTest:
		return vaccination.Errorf(vaccination.Invalid, "a certificate of recovery is not made from a test of this kind, but from an amplification test (NAAT)")
	case TooEarly:
		return vaccination.Errorf(vaccination.Invalid, "a certificate of recovery is made from the eleventh day after the sample was taken")
	case NotFirst:
		return vaccination.Errorf(vaccination.Invalid, "an earlier positive test of this person is recorded: a certificate of recovery is made from the first of an infection")
	default:
		return vaccination.Errorf(vaccination.Invalid, "this certificate cannot be had in this format")
	}
	if len(o.Missing) > 0 {
		return vaccination.Errorf(vaccination.Invalid, "this format requires what is not recorded: %s", strings.Join(o.Missing, ", "))
	}
	return nil
}

// export returns what was made before, or signs and keeps it. Either is an
// entry of the audit; where it cannot be written, nothing is handed out.
func (s *Service) export(ctx context.Context, by access.Caller, f exportFormat, r *Record) (export, error) {
	entry := registry.Entry{Chain: registry.GroupOf(r.row.Bucket), Act: "export", Object: r.ID.String(), Detail: string(f.format)}
	audit := func(q *query.Queries) error { return registry.Audit(ctx, q, s.Now().UTC(), by.Actor, entry) }
	if f.stored {
		e, err := f.sign(r)
		if err != nil {
			return export{}, err
		}
		return e, audit(s.Store.Read())
	}
	row, err := s.Store.Read().GetExport(ctx, query.GetExportParams{Bucket: r.row.Bucket, Certificate: r.ID[:], Format: string(f.format)})
	if err == nil {
		e, err := s.openExport(r, row)
		if err != nil {
			return export{}, err
		}
		return e, audit(s.Store.Read())
	}
	if !registry.IsNone(err) {
		return export{}, err
	}
	e, err := f.sign(r)
	if err != nil {
		return export{}, err
	}
	sealed, err := s.sealExport(r, f.format, e)
	if err != nil {
		return export{}, err
	}
	put := query.PutExportParams{
		Bucket: r.row.Bucket, Certificate: r.ID[:], Format: string(f.format),
		KeyID: e.keyID, Handle: e.handle, MadeAt: s.Now().UTC(), Sealed: sealed,
	}
	err = s.Store.Tx(ctx, func(q *query.Queries) error {
		if row, err = q.PutExport(ctx, put); err != nil {
			return err
		}
		return audit(q)
	})
	if err != nil || bytes.Equal(row.Sealed, sealed) {
		return e, err
	}
	return s.openExport(r, row) // somebody else was first
}

func exportColumn(id vaccination.CertificateID, format Format) string {
	return "export " + id.String() + " " + string(format)
}

func (s *Service) sealExport(r *Record, format Format, e export) ([]byte, error) {
	key, err := s.unlock(r.person)
	if err != nil {
		return nil, err
	}
	packed, err := pack.Pack(e.body, []byte(e.code))
	if err != nil {
		return nil, err
	}
	return key.Seal(packed, s.aad(r.person, exportColumn(r.ID, format)))
}

func (s *Service) openExport(r *Record, row query.CertificateExport) (export, error) {
	key, err := s.unlock(r.person)
	if err != nil {
		return export{}, err
	}
	plain, err := key.Unseal(row.Sealed, s.aad(r.person, exportColumn(r.ID, Format(row.Format))))
	if err != nil {
		return export{}, fmt.Errorf("opening certificate %s as %s: %w", r.ID, row.Format, err)
	}
	parts, err := pack.Unpack(plain)
	if err != nil || len(parts) != 2 {
		return export{}, fmt.Errorf("unpacking certificate %s as %s: %d parts, %w", r.ID, row.Format, len(parts), err)
	}
	return export{body: parts[0], code: string(parts[1]), keyID: row.KeyID, handle: row.Handle}, nil
}

// icvpProduct is the id under which WHO has prequalified the product.
func (s *Service) icvpProduct(r *Record) string {
	return hcert.ICVPProduct(r.Certificate.Vaccination, s.Profile.Catalogue)
}

// signHCERT signs another content of an HCERT, with the key of codes. It counts
// from now, so that the key of today could sign it, and as long as the
// certificate, or as its key may.
func (s *Service) signHCERT(c vaccination.Certificate, encode func(vaccination.Certificate, hcert.Signer) ([]byte, error)) (export, error) {
	key := s.Keys.QR()
	c = s.forKey(c, key.NotAfter())
	cose, err := encode(c, key)
	if err != nil {
		return export{}, err
	}
	code, err := hcert.Text(cose)
	if err != nil {
		return export{}, err
	}
	m, err := hcert.DecodeCOSE(cose)
	if err != nil {
		return export{}, err
	}
	hash := m.SignatureHash()
	return export{body: []byte(code), code: code, keyID: base64.StdEncoding.EncodeToString(key.KeyID()), handle: base64.StdEncoding.EncodeToString(hash[:])}, nil
}

// forKey is the certificate with the period of a form that is signed now.
func (s *Service) forKey(c vaccination.Certificate, notAfter time.Time) vaccination.Certificate {
	c.Info.Period.Start = s.Now().UTC().Truncate(time.Second)
	if end := notAfter.UTC().Truncate(time.Second); c.Info.Period.End.IsZero() || end.Before(c.Info.Period.End) {
		c.Info.Period.End = end
	}
	return c
}

// signCard signs a SMART Health Card with the key of codes: the same key is known
// to verifiers of cards by its thumbprint. Its rid is the certificate's id, which
// is random: a card has no other place for it.
func (s *Service) signCard(r *Record) (export, error) {
	key := s.Keys.QR()
	rid := base64.RawURLEncoding.EncodeToString(r.ID[:])
	jws, err := shc.Issue(s.forKey(r.Certificate, key.NotAfter()), s.Profile.Catalogue, s.PublicURL, rid, key)
	if err != nil {
		return export{}, err
	}
	code, err := shc.Code(jws)
	return export{body: shc.File(jws), code: code, keyID: shc.Thumbprint(key.Public()), handle: rid}, err
}

// credential is the W3C credential with a proof of another cryptosuite, for software
// that knows only that one. ECDSA signs with the key of codes, which the issuer's DID
// document lists beside that of documents. Its entries of status lists are those of
// the credential that the certificate was issued in.
func (s *Service) credential(format Format, cryptosuite string) exportFormat {
	return exportFormat{
		format: format, mediaType: "application/vc", fileName: "certificate." + cryptosuite + ".jsonld",
		sign: func(r *Record) (export, error) {
			issued, err := vc.Parse(r.Document)
			if err != nil {
				return export{}, err
			}
			codes, documents := s.Keys.QR(), s.Keys.Document()
			var key vc.Signer = codes
			if cryptosuite == vc.EdDSARDFC {
				key = documents
			}
			plain, err := vc.Issue(s.forKey(r.Certificate, codes.NotAfter()), issued.Status(), documents, s.Now())
			if err != nil {
				return export{}, err
			}
			body, err := vc.Secure(plain, cryptosuite, key, s.Now())
			return export{body: body, keyID: key.ID()}, err
		},
	}
}

func (s *Service) signDIVOC(r *Record) (export, error) {
	key := s.Keys.DIVOC()
	options := divocqr.Options{VerifyURL: s.PublicURL + "/verify", Identifier: s.Profile.IdentityInQR}
	body, err := divocqr.Issue(r.Certificate, options, key, s.Now())
	if err != nil {
		return export{}, err
	}
	code, err := divocqr.Code(body)
	return export{body: body, code: code, keyID: key.Method()}, err
}

// document writes the FHIR document. What proves it is the certificate's own code.
func (s *Service) document(r *Record) (export, error) {
	c := r.Certificate
	if !s.Profile.IdentityInQR {
		c.Identifier = vaccination.Identifier{}
	}
	code, err := qr.Encode(r.Code, qr.M)
	if err != nil {
		return export{}, err
	}
	covid := c.Vaccination.Disease.Code == s.Profile.Catalogue.Disease("covid-19").Code
	body, err := fhirdoc.Write(fhirdoc.Document{Certificate: c, COVID: covid, Code: r.Code, Image: code.PNG()})
	return export{body: body}, err
}

// refusedByFormat is err as it is shown: the formats' own words name elements,
// never values.
func refusedByFormat(err error) error {
	var old *divocqr.MissingError
	var missing *hcert.MissingError
	switch {
	case errors.As(err, &old), errors.Is(err, divocqr.ErrCannotCarry), errors.As(err, &missing):
		return vaccination.Errorf(vaccination.Invalid, "%s", err.Error())
	case errors.Is(err, shc.ErrMissing), errors.Is(err, fhirdoc.ErrMissing):
		return vaccination.Errorf(vaccination.Invalid, "%s", err.Error())
	case errors.Is(err, vdsnc.ErrMissing):
		return vaccination.Errorf(vaccination.Invalid, "%s", err.Error())
	case errors.Is(err, hcert.ErrTooLarge), errors.Is(err, shc.ErrTooLarge), errors.Is(err, vdsnc.ErrTooLarge):
		return vaccination.Errorf(vaccination.Invalid, "the certificate does not fit into a code of this format")
	}
	return err
}
