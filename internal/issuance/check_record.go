package issuance

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/credential/vc"
	"github.com/opendivoc/divoc/internal/registry/query"
	"github.com/opendivoc/divoc/trust"
	"github.com/opendivoc/divoc/vaccination"
)

// certificate opens one certificate, compares what it says with its row, and
// sets the event it was issued for.
func (c *checking) certificate(p *person, row query.Certificate, event *vaccination.Event) error {
	id := vaccination.CertificateID(row.ID)
	parts, err := c.open(p, &version{row: row})
	if err != nil {
		return err
	}
	document, err := vc.Parse(parts.document)
	if err != nil {
		return err
	}
	if err := verifyDocument(document, c.keys); err != nil {
		return err
	}
	message, err := hcert.DecodeCOSE(parts.code)
	if err != nil {
		return err
	}
	if err := verifyCode(message, c.keys); err != nil {
		return err
	}
	inCode, err := message.Certificate()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(parts.event, event); err != nil {
		return errors.New("its event cannot be read")
	}
	said := document.Certificate()
	switch {
	case int16(id.Bucket()) != row.Bucket:
		return errors.New("its id belongs to another bucket")
	case said.Info.HCID != id.UVCI(c.Profile.Country.Alpha2) || inCode.Info.HCID != said.Info.HCID:
		return errors.New("what was signed names another certificate")
	case said.IsTest() != inCode.IsTest() || said.IsTest() != event.IsTest():
		return errors.New("what was signed is of another kind")
	case said.Number() != int(row.Dose) || !said.IsTest() && inCode.Number() != int(row.Dose) || said.Programme != row.Programme:
		return errors.New("what was signed is of another dose or programme")
	case !said.Info.Period.Start.Equal(row.IssuedAt):
		return errors.New("what was signed was issued at another time")
	case !bytes.Equal(c.codeIndex(event.EnrolmentCode), p.row.CodeIndex):
		return errors.New("its event is of another person")
	case len(row.Content)%hashSize != 0 || !bytes.HasPrefix(row.Content, c.contentHash(written(*event))):
		return errors.New("its event is not the one it is known by")
	}
	for _, entry := range document.Status() {
		if entry.List != c.ListURL(entry.Purpose, row.StatusList) || entry.Index != uint32(row.StatusIndex) {
			return errors.New("what was signed points to another status position")
		}
	}
	return nil
}

// person opens a person's row and compares it with itself and with the indexes
// stored, which are in order.
func (c *checking) person(p *person, indexes [][]byte) error {
	key, err := c.unlock(p)
	if err != nil {
		return err
	}
	plain, err := key.Unseal(p.row.Sealed, c.aad(p, "particulars"))
	if err != nil {
		return fmt.Errorf("opening its person: %w", err)
	}
	var known particulars
	if err := json.Unmarshal(plain, &known); err != nil {
		return errors.New("its person cannot be read")
	}
	want := c.indexes(vaccination.Event{Person: known.Person, Contacts: known.Contacts})
	slices.SortFunc(want, bytes.Compare)
	want = slices.CompactFunc(want, bytes.Equal)
	// Who was written by an earlier divoc has no index of name and birth date.
	byName := c.nameIndex(known.Person)
	name := func(v []byte) bool { return bytes.Equal(v, byName) }
	if !slices.ContainsFunc(indexes, name) {
		want = slices.DeleteFunc(want, name)
	}
	switch {
	case !bytes.Equal(c.codeIndex(known.EnrolmentCode), p.row.CodeIndex) || int16(c.Box.Bucket(known.EnrolmentCode)) != p.row.Bucket:
		return errors.New("its person has another enrolment code")
	case known.Source != p.row.Source:
		return errors.New("its person is of another source")
	case !slices.EqualFunc(want, indexes, bytes.Equal):
		return errors.New("its person is not found by what is known of them")
	}
	return nil
}

func verifyDocument(d *vc.Credential, keys *trust.List) error {
	if !verifies(d.VerificationMethod(), d.Verify, keys) {
		return errors.New("its document does not verify")
	}
	return nil
}

func verifies(method string, verify func(crypto.PublicKey) error, keys *trust.List) bool {
	for _, k := range keys.ByMethod(method) {
		if public, ok := k.Key.Public.(ed25519.PublicKey); ok && verify(public) == nil {
			return true
		}
	}
	return false
}

func verifyCode(m *hcert.Message, keys *trust.List) error {
	for _, kid := range m.KeyIDs {
		for _, k := range keys.ByKeyID(kid) {
			if m.Verify(k.Key.Public) == nil {
				return nil
			}
		}
	}
	return errors.New("its code does not verify")
}

// suspensions are the suspensions with an end in a group of buckets.
func (c *checking) suspensions(ctx context.Context, group int16) (map[vaccination.CertificateID]query.Suspension, error) {
	rows, err := c.q.SuspensionsBetween(ctx, query.SuspensionsBetweenParams{First: group << 6, Last: group<<6 | 63})
	out := make(map[vaccination.CertificateID]query.Suspension, len(rows))
	for _, row := range rows {
		out[vaccination.CertificateID(row.ID)] = row
	}
	return out, err
}

// told checks that what sources told last was certified.
func (c *checking) told(ctx context.Context, group int16) error {
	rows, err := c.q.ToldBetween(ctx, query.ToldBetweenParams{First: group << 6, Last: group<<6 | 63})
	for _, row := range rows {
		if !row.Held {
			c.problem("person %d of bucket %d: what its source told last of %s dose %d is in no certificate", row.PersonID, row.Bucket, row.Programme, row.Dose)
		}
	}
	return err
}

// erasedWhole says what is left of somebody who was erased.
func erasedWhole(row query.CertificatesAfterRow, indexes int) error {
	if len(row.Person.Sealed) > 0 || len(row.Certificate.Sealed) > 0 || indexes > 0 {
		return errors.New("its person was erased, and something of them is left")
	}
	return nil
}
